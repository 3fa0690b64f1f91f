"""Files and folders that only their owner may read: 0600 and 0700, whatever the umask says."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from telemetry.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE, FOLDER = 0o600, 0o700
OTHERS = 0o077
"""The rights of group and others."""


def keep_files_private() -> int:
    """Whatever this process makes from now on is its owner's alone; returns the umask before.

    For the composition root of what runs as a service: a tool's results are its user's business.
    """
    return os.umask(OTHERS)


class FolderError(InUseError, OSError):
    """A folder that the configuration names cannot be made, or not be written to."""


def make_private_folder(path: Path) -> None:
    """A folder of our own, with those above it that are missing. One that is there keeps its rights; see `narrow`.

    Raises:
        FolderError: it cannot be made, is something else, or this user may not write there.
    """
    try:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=FOLDER, exist_ok=True)
            each.chmod(FOLDER)
    except OSError as error:
        raise FolderError(f"{path}: this folder cannot be made ({error.strerror}): is the path right?") from error
    if not path.is_dir():
        raise FolderError(f"{path}: is no folder; name another, or move the file away")
    if not os.access(path, os.W_OK | os.X_OK):
        raise FolderError(f"{path}: this user may not write to the folder")


def open_private(path: str, flags: int) -> int:
    """An `opener` for `open`: a file that it makes is its owner's alone."""
    return os.open(path, flags, FILE)


def write_private(path: Path, content: bytes) -> None:
    """Put a file there whole or not at all, never readable by others in between; it replaces one that was there.

    Raises:
        OSError: it cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def narrow(paths: Iterable[Path]) -> list[Path]:
    """Take the rights of group and others from files and folders that are there; returns those that are not ours to change.

    Links are left alone, and nothing below a folder is looked at: nobody reaches it through one that is closed.
    """
    left: list[Path] = []
    for path in paths:
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode) or not found.st_mode & OTHERS:
                continue
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            left.append(path)
    return left
