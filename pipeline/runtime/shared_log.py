"""One open log a directory and process, shared by all who use it there.

Faust makes a transport of each application from its URL alone, so two applications on one directory cannot be handed
one log: this is where they find it. The lock of the log keeps other processes out. Directories are given resolved.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from durable_log.errors import LogError
from durable_log.log import DurableLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class _Shared:
    log: DurableLog
    users: int = 0
    groups: set[str] = field(default_factory=set)


_open: dict[Path, _Shared] = {}
_opening = threading.Lock()


@contextmanager
def shared_log(directory: Path, now: Callable[[], int]) -> Iterator[DurableLog]:
    """The log of a directory; opened for its first user in this process, closed after the last.

    Raises:
        LogLockedError: another process has it open.
        CorruptLogError: confirmed records are damaged.
    """
    with _opening:
        shared = _open.get(directory)
        if shared is None:
            shared = _open[directory] = _Shared(DurableLog(directory, now))
        shared.users += 1
    try:
        yield shared.log
    finally:
        with _opening:
            shared.users -= 1
            if not shared.users:
                del _open[directory]
                shared.log.close()


@contextmanager
def membership(directory: Path, group: str) -> Iterator[None]:
    """Be the one consumer of a group of a log that is open.

    Raises:
        LogError: the group has its consumer; two would each get every record.
    """
    with _opening:
        groups = _open[directory].groups
        if group in groups:
            raise LogError(
                f"{directory}: group {group!r} has a consumer in this process; give the second application its own id"
            )
        groups.add(group)
    try:
        yield
    finally:
        with _opening:
            groups.discard(group)


def open_log(directory: Path) -> DurableLog:
    """The log of a directory that somebody in this process has open.

    Raises:
        LogError: nobody has.
    """
    with _opening:
        shared = _open.get(directory)
    if shared is None:
        raise LogError(f"{directory}: the log is not open; start the application first")
    return shared.log
