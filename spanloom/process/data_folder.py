"""The data folder: of one process of `spanloom up` at a time, and closed to other users."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from components.private_files import OTHERS, make_private_folder, narrow
from telemetry.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

log = structlog.get_logger(__name__)

OURS = frozenset(
    {"log", "state", "spanloom.duckdb", "spanloom.duckdb.wal", "approval.key", "token", "up.lock", "agent", "control"}
)
"""What is in a data folder of ours."""

GRACE_SECONDS, POLL_SECONDS = 3.0, 0.1
"""How long a process that was killed a moment ago may take to go, and the time between checks."""


class FolderInUseError(InUseError):
    """Another process runs on this folder."""


@asynccontextmanager
async def owned(folder: Path) -> AsyncIterator[None]:
    """Have the folder, which is made where it is missing. The system lets go of it when the process ends, however it ends.

    Raises:
        FolderInUseError: another process has it; names that process.
    """
    descriptor = _open(folder)
    try:
        for _ in range(int(GRACE_SECONDS / POLL_SECONDS)):
            if _locks(descriptor):
                break
            await asyncio.sleep(POLL_SECONDS)
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


def close_to_others(folder: Path, *elsewhere: Path) -> None:
    """Make a data folder where there is none, and take from others the right to read what is in one.

    A folder that holds other things as well, or belongs to somebody else, keeps its own rights: that is logged.

    Args:
        folder: the data folder.
        elsewhere: the log and the store, which the configuration may have put anywhere.
    """
    make_private_folder(folder)
    make_private_folder(folder / "state")
    names = [entry.name for entry in folder.iterdir()]
    left = narrow([*(folder / name for name in names if name in OURS), *elsewhere])
    if OURS.issuperset(names):
        left += narrow([folder])
    elif folder.stat().st_mode & OTHERS:
        left.append(folder)
    if left:
        log.warning(
            "readable_by_others", paths=[str(path) for path in left], hint="chmod go= them; telemetry, state and keys are there"
        )


def _open(folder: Path) -> int:
    make_private_folder(folder)
    return os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
