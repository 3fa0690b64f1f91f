"""Files of the embedded log beside its segments."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from components.private_files import FILE, open_private
from durable_log.errors import LogLockedError
from durable_log.segment import sync_directory

if TYPE_CHECKING:
    from pathlib import Path


def lock(directory: Path) -> int:
    """Take the directory for this process; the operating system lets go when the process ends, however it ends."""
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
        os.close(descriptor)
        raise LogLockedError(
            f"{directory}: the log is open in process {owner}; stop that process or give this one another directory"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file as a whole; its name is durable on return."""
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb", opener=open_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_directory(path.parent)
