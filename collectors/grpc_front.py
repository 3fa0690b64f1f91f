"""The port of OTLP/gRPC: accepts connections within limits, speaks TLS, and passes the bytes on to gRPC.

gRPC itself can bound connections only by turning newcomers away, and does not show who is silent. So it listens on a socket
within the process alone, and this stands before it: a connection costs gRPC something only once it has sent the first bytes
of HTTP/2. Of each connection gRPC knows a name, by which `Front.peer` gives who is behind it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import Field

from components.sockets.acceptor import Acceptor, bind
from components.sockets.connections import ConnectionLimits, Connections, Stage
from components.sockets.descriptors import connections_within
from components.tls import ServerTls, peer_subject

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from components.sockets.connections import Connection, ConnectionMetrics
    from components.tls import TlsConfig

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""

SHARE: Final = 0.3
"""The part of the descriptors left for connections that the port may have."""

_DESCRIPTORS_EACH: Final = 3  # the client's, and both ends of the one to gRPC


class GrpcLimits(ConnectionLimits):
    """Limits of the port for connections."""

    header_seconds: float = Field(
        default=10, gt=0, description="How long a connection may take until its first bytes, those of TLS too."
    )
    idle_seconds: float = Field(default=300, gt=0, description="How long a connection may be without a request.")
    send_seconds: float = Field(default=60, gt=0, description="How long a client may leave answers unread.")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    host: str
    subject: str | None = None
    """Who the client certificate was issued to."""


class Front:
    """Listens from `start` to `stop`, and connects to gRPC at `inner`.

    Args:
        limits: of connections.
        metrics: where they are counted.
        tls: certificates; without them the port is plain text.

    Raises:
        ConfigError: TLS cannot be set up.
    """

    def __init__(self, limits: GrpcLimits, metrics: ConnectionMetrics, tls: TlsConfig | None) -> None:
        self.limits = limits
        self._name = f"spanloom-{os.urandom(16).hex()}"
        self.inner = f"unix-abstract:{self._name}"
        total = connections_within(limits.max_connections, SHARE, _DESCRIPTORS_EACH)
        self.connections = Connections("otlp_grpc", limits, metrics, total)
        self._tls = ServerTls(tls, "otlp_grpc", ("h2",)) if tls else None
        self._acceptor = Acceptor(self.connections, self._serve)
        self._tasks: set[asyncio.Task[None]] = set()  # bounded by the connections
        self._open: set[_Outer] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._peers: dict[str, Peer] = {}

    def listen(self, host: str, port: int) -> socket.socket:
        """The socket for `start`.

        Raises:
            ListenError: the address cannot be had.
        """
        return bind("otlp_grpc", host, port)

    def start(self, listener: socket.socket) -> None:
        """Accept connections; gRPC has to listen by now."""
        self._acceptor.start(listener)

    async def stop_accepting(self) -> None:
        """Take no more connections. Safe before start and twice."""
        await self._acceptor.stop()

    async def stop(self) -> None:
        """End all connections."""
        await self._acceptor.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for outer in list(self._open):
            outer.end()
        await self._all_closed.wait()

    def peer(self, name: str) -> Peer | None:
        """Who is behind what gRPC calls a peer; None if the connection did not come through here."""
        return self._peers.get(name)

    def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        task = asyncio.create_task(self._begin(accepted, connection))
        connection.close = task.cancel
        self._tasks.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled() or task.exception() is not None:
                connection.release()
                accepted.close()

        task.add_done_callback(end)

    async def _begin(self, accepted: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> _Outer:
            return _Outer(self, connection)

        if self._tls is None:
            await loop.connect_accepted_socket(protocol, accepted)
            return
        seconds = self.limits.header_seconds
        try:
            await loop.connect_accepted_socket(
                protocol,
                accepted,
                ssl=self._tls.context(),
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except OSError:  # SSLError is one
            connection.count("handshake")
            raise

    def opened(self, outer: _Outer) -> None:
        """A connection is there."""
        self._open.add(outer)
        self._all_closed.clear()

    def closed(self, outer: _Outer, name: str | None) -> None:
        """A connection has ended."""
        self._open.discard(outer)
        if not self._open:
            self._all_closed.set()
        if name is not None:
            self._peers.pop(name, None)

    async def connect(self, outer: _Outer, peer: Peer) -> str:
        """Connect to gRPC; returns what it will call the peer."""
        name = f"spanloom-{os.urandom(8).hex()}"
        own = socket.socket(socket.AF_UNIX)
        try:
            own.setblocking(False)
            own.bind(f"\0{name}")
            loop = asyncio.get_running_loop()
            await loop.sock_connect(own, f"\0{self._name}")
            self._peers[f"unix-abstract:{name}"] = peer
            await loop.create_unix_connection(lambda: _Inner(outer), sock=own)
        except BaseException:
            own.close()
            self._peers.pop(f"unix-abstract:{name}", None)
            raise
        return f"unix-abstract:{name}"

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run something that belongs to a connection."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Relayed(asyncio.Protocol):
    """One side: what it reads goes to the other, and it reads no faster than the other writes."""

    transport: asyncio.Transport
    other: asyncio.Transport | None = None

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()


class _Outer(_Relayed):
    """The client's side."""

    def __init__(self, front: Front, connection: Connection) -> None:
        self._front = front
        self._connection = connection
        self._first = b""
        self._name: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer = Peer("")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self.transport = transport
        self._connection.close = transport.abort
        name = transport.get_extra_info("peername") or ("",)
        self._peer = Peer(str(name[0]), peer_subject(transport.get_extra_info("ssl_object")))
        self._front.opened(self)
        self._wait(self._front.limits.header_seconds, "slow_header")

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self._connection.touch()
            self.other.write(data)
            return
        self._first += data
        if not self._first.startswith(PREFACE[: len(self._first)]):
            self._refuse("not_http2")
        elif len(self._first) >= len(PREFACE):
            self._stop_timer()
            self.transport.pause_reading()
            self._front.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            self._name = await self._front.connect(self, self._peer)
        except OSError:
            self._refuse("accept_failed")

    def connected(self, inner: asyncio.Transport) -> None:
        """The way to gRPC is open."""
        if self.transport.is_closing():
            inner.abort()
            return
        self.other = inner
        self._connection.enter(Stage.IDLE)
        inner.write(self._first)
        self._first = b""
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._stop_timer()
        self._connection.release()
        self._front.closed(self, self._name)
        if self.other is not None:
            self.other.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait(self._front.limits.send_seconds, "slow_reader")

    def resume_writing(self) -> None:
        self._stop_timer()
        super().resume_writing()

    def end(self) -> None:
        """Close it."""
        self.transport.abort()

    def _wait(self, seconds: float, reason: str) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._refuse, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, reason: str) -> None:
        self._connection.count(reason)
        self.transport.abort()


class _Inner(_Relayed):
    """gRPC's side."""

    def __init__(self, outer: _Outer) -> None:
        self._outer = outer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self.transport = transport
        self.other = self._outer.transport
        self._outer.connected(transport)

    def data_received(self, data: bytes) -> None:
        if not self._outer.transport.is_closing():
            self._outer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._outer.transport.is_closing():
            self._outer.transport.close()  # once what it has to say is sent
