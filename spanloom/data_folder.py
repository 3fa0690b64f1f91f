"""The data folder of `spanloom up` belongs to one process at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from telemetry.errors import UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GRACE_SECONDS, GLANCE = 3.0, 0.1
"""How long a process that was killed a moment ago may take to go, and the time between two looks."""


class FolderInUseError(UnrecoverableError):
    """Another process runs on this folder."""


@asynccontextmanager
async def owned(folder: Path) -> AsyncIterator[None]:
    """Have the folder, which is made where it is missing. The system lets go of it when the process ends, however it ends.

    Raises:
        FolderInUseError: another process has it; names that process.
    """
    descriptor = _open(folder)
    try:
        for _ in range(int(GRACE_SECONDS / GLANCE)):
            if _locks(descriptor):
                break
            await asyncio.sleep(GLANCE)
        else:
            if not _locks(descriptor):
                owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "?"
                raise FolderInUseError(
                    f"{folder}: spanloom up runs on this folder already, as process {owner}: stop it, or give this one another "
                    "folder (SPANLOOM_DATA_DIR) and other ports"
                )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
