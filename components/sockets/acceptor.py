"""Listens on an address and accepts connections within limits. Running out of descriptors is survived."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Final

from telemetry.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.sockets.connections import Connection, Connections

BACKLOG: Final = 1024
"""Connections that the kernel completes while nobody accepts them."""

_AT_A_TIME: Final = 32
"""Accepted in a row before other work of the loop gets its turn."""

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_PAUSE: Final = 0.1
"""Seconds until the next try when there is no descriptor left. Those that were closed to make room are free by then."""


class ListenError(InUseError):
    """An address cannot be listened on."""


def bind(what: str, host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Raises:
        ListenError: the address cannot be had.
    """
    bound = None
    try:
        bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise ListenError(
            f"{what} cannot listen on {host}:{port}: {error.strerror or error}; "
            "is the port in use? Stop the process that holds it, or configure another"
        ) from error
    return bound


class Acceptor:
    """Accepts connections from `start` to `stop`.

    Args:
        connections: who may stay.
        serve: takes over a connection that was admitted; it has to release it, and to set its `close`.
    """

    def __init__(self, connections: Connections, serve: Callable[[socket.socket, Connection], None]) -> None:
        self._connections = connections
        self._serve = serve
        self._task: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    def start(self, listener: socket.socket) -> None:
        """Begin to accept; the socket is closed at the stop."""
        self._listener = listener
        self._task = asyncio.create_task(self._accept(listener), name="acceptor")

    async def stop(self) -> None:
        """Accept no more. Safe before start and twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(_AT_A_TIME):
                try:
                    accepted, peer = await loop.sock_accept(listener)
                except OSError as error:
                    if error.errno in _OUT_OF_RESOURCES:
                        self._connections.count("accept_failed")
                        self._connections.make_room(min(_AT_A_TIME, len(self._connections) // 4))
                        await asyncio.sleep(_PAUSE)
                    # else the peer left before it was accepted
                else:
                    self._admit(accepted, str(peer[0]))
            await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket, host: str) -> None:
        connection = self._connections.admit(host, accepted.close)
        if connection is None:
            accepted.close()
            return
        self._serve(accepted, connection)
