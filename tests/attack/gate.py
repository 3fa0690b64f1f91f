"""A way to a service on loopback that can be shut: connections are refused, and those that are open end."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

CHUNK = 1 << 16


class Gate:
    """Carries connections of a port of its own to another, from entering to leaving.

    Attributes:
        port: its own.
        first: moments, on the monotonic clock, of the first connection and of the first request that is `watched`, by name,
            since it was opened last.

    Args:
        target: where connections go.
        watched: requests with any of these in them.
    """

    def __init__(self, target: int, watched: Sequence[bytes]) -> None:
        self.port = free_port()
        self.first: dict[str, float] = {}
        self._target, self._watched = target, watched
        self._lock = threading.Lock()
        self._carried: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self._serving = threading.Thread()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def open(self) -> float:
        """Accept connections from now on; the moment on the monotonic clock."""
        gate = self

        class Carry(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                gate._carry(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # one side has gone

        self.first = {}
        self._server = Server(("127.0.0.1", self.port), Carry)
        opened = time.monotonic()
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._serving.start()
        return opened

    def shut(self) -> None:
        """Refuse connections, and end those that are open. Safe twice."""
        if self._server is None:
            return
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
        self._server = None
        with self._lock:
            for each in self._carried:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _note(self, what: str) -> None:
        self.first.setdefault(what, time.monotonic())

    def _carry(self, incoming: socket.socket) -> None:
        self._note("connection")
        with socket.create_connection(("127.0.0.1", self._target)) as outgoing:
            ends = {incoming: outgoing, outgoing: incoming}
            with self._lock:
                self._carried.update(ends)
            try:
                while True:
                    for one in select.select(list(ends), [], [])[0]:
                        data = one.recv(CHUNK)
                        if one is incoming and any(each in data for each in self._watched):
                            self._note("watched")
                        if not data:
                            return
                        ends[one].sendall(data)
            finally:
                with self._lock:
                    self._carried.difference_update(ends)
