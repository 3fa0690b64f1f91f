"""Where the services are: a file that the supervisor rewrites whenever an address changes."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NoInstanceError(ConnectionError):
    """No instance of the service takes traffic now."""


class Directory:
    """Addresses by service, as Prometheus's file discovery would have them: read again when the file is a new one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._addresses: dict[str, str] = {}

    def address(self, service: str) -> str:
        """`host:port` of the instance that takes the service's traffic.

        Raises:
            NoInstanceError: there is none.
        """
        with self._lock:
            try:
                status = self._file.stat()
                if (status.st_ino, status.st_mtime_ns) != self._seen:
                    self._addresses = json.loads(self._file.read_text())
                    self._seen = (status.st_ino, status.st_mtime_ns)
            except FileNotFoundError:
                self._addresses = {}
            found = self._addresses.get(service)
        if found is None:
            raise NoInstanceError(f"{service}: no instance takes traffic")
        return found
