"""Uvicorn's HTTP/1.1 connection with limits in time and size, so that no client can hold one for nothing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from components.sockets.connections import ConnectionLimits, Stage
from components.tls import peer_subject

if TYPE_CHECKING:
    import asyncio

    from components.sockets.connections import Connection

MAX_PIPELINED: Final = 16
"""Requests that may stand in line behind one that is being answered."""


class HttpLimits(ConnectionLimits):
    """Limits of one HTTP port for connections: how many, and how slow and large they may be."""

    header_seconds: float = Field(
        default=10,
        gt=0,
        description="How long a header may take from the first byte, and a connection until its first byte; TLS too.",
    )
    max_header_bytes: int = Field(default=32 * 1024, ge=1024, description="Largest header of a request, its trailer included.")
    min_body_rate: int = Field(
        default=500, ge=0, description="Bytes a second that a body has to come with; slower ones are cut off. 0 is no limit."
    )
    body_window_seconds: float = Field(default=10, gt=0, description="Over how many seconds the rate of a body is measured.")
    idle_seconds: int = Field(default=60, gt=0, description="How long a connection may wait for its next request.")
    send_seconds: float = Field(
        default=60, gt=0, description="How long a client may leave an answer unread that is larger than the buffers."
    )


LINGER: Final = 1.0
"""Seconds in which a client may read why it is refused."""

_PHRASES: Final = {408: b"Request Timeout", 413: b"Content Too Large", 431: b"Request Header Fields Too Large"}


class _LimitError(Exception):
    """A limit in size is reached. The parser turns it into an error of its own."""


class LimitedHttp(HttpToolsProtocol):
    """One connection.

    Args:
        connection: its place among the connections of the port.
        limits: what it has to keep to.
        max_body: the largest body of a request, if the application has no limit of its own.
        others: arguments of uvicorn's.
    """

    def __init__(self, connection: Connection, limits: HttpLimits, max_body: int | None, **others: Any) -> None:
        super().__init__(**others)
        self._max_body = max_body
        self._body_size = 0
        self._lingering = False
        self._connection = connection
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._in_head = True  # of the first request
        self._in_body = False
        self._head_bytes = self._head_size = 0
        self._body_bytes = 0  # since the rate was looked at
        self._refused: tuple[int, str] | None = None
        self.ws_protocol_class: Any = functools.partial(LimitedWebSocket, connection)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """The connection is there; over TLS, after the handshake."""
        super().connection_made(transport)
        self._connection.close = transport.abort
        subject = peer_subject(transport.get_extra_info("ssl_object"))
        if subject is not None:
            self.app_state = {**self.app_state, "tls_subject": subject}
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._stop_timers()
        self._connection.release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._lingering:
            return
        if not self._in_head and not self._in_body:
            self._begin_head()
        self._body_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self._lingering:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self._limits.max_header_bytes:  # one that the parser has not even shown us yet
                self._refuse(431, "large_header")
                return
        self._show_stage()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._in_body = True, False
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or one of the trailer."""
        self._count_head(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is there."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _LimitError
        self._in_head, self._in_body, self._body_size = False, True, 0
        self._cancel("_head_timer")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_size += len(body)
        if self._max_body is not None and self._body_size > self._max_body:
            self._refused = 413, "large_body"
            raise _LimitError
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._lingering:
            self._show_stage()

    def handle_websocket_upgrade(self) -> None:
        """The connection is a WebSocket's from now on, which has no bodies, and keep-alive of its own."""
        self._stop_timers()
        self._in_head = self._in_body = False
        self._connection.enter(Stage.STREAMING)
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, or is over a limit in size."""
        if self._refused is not None:
            self._refuse(*self._refused)
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self._limits.send_seconds, self._give_up_sending)

    def resume_writing(self) -> None:
        """It does again."""
        self._cancel("_send_timer")
        super().resume_writing()

    def _begin_head(self) -> None:
        self._in_head, self._head_bytes, self._head_size = True, 0, 0
        self._watch_head()

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.header_seconds, self._give_up_head)

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.max_header_bytes:
            self._refused = 431, "large_header"
            raise _LimitError

    def _show_stage(self) -> None:
        """Say what the connection does now, and watch the body if it is on its way."""
        if self._in_body:
            self._connection.enter(Stage.READING)
            if self._body_timer is None and self._limits.min_body_rate:
                self._body_bytes = 0
                self._body_timer = self.loop.call_later(self._limits.body_window_seconds, self._check_rate)
            return
        self._cancel("_body_timer")
        if self._is_answering():
            self._connection.enter(Stage.BUSY)
        elif self._in_head:
            self._connection.enter(Stage.SILENT)
            self._watch_head()
        else:
            self._connection.enter(Stage.IDLE)

    def _check_rate(self) -> None:
        self._body_timer = None
        window = self._limits.body_window_seconds
        # Reading pauses while the application does not want more: then it is not the client who is slow.
        if self._body_bytes < self._limits.min_body_rate * window and not self.flow.read_paused:
            self._refuse(408, "slow_body")
            return
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(window, self._check_rate)

    def _give_up_head(self) -> None:
        self._head_timer = None
        if self._is_answering():
            return  # the rest of a pipelined request may wait until the one before it is answered
        if self._head_bytes or self._head_size:
            self._refuse(408, "slow_header")
        elif not self.transport.is_closing():
            self._connection.count("slow_header")
            self.transport.close()

    def _give_up_sending(self) -> None:
        self._send_timer = None
        self._connection.count("slow_reader")
        self.transport.abort()

    def _refuse(self, status: int, reason: str) -> None:
        """End the connection; with an answer, if none has begun."""
        if self.transport.is_closing() or self._lingering:
            return
        self._connection.count(reason)
        if not (self._is_answering() and self.cycle.response_started):
            answer = b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % (status, _PHRASES[status])
            self.transport.write(answer)
        self._linger()

    def _linger(self) -> None:
        """Close, but read on for a moment: what a client still sends would else make it lose the answer (RFC 9112, 9.6)."""
        self._stop_timers()
        self._lingering = True
        if self._is_answering():
            self.cycle.disconnected = True  # so the application learns that nothing more comes
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._connection.enter(Stage.SILENT)
        self._send_timer = self.loop.call_later(LINGER, self.transport.close)

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _stop_timers(self) -> None:
        for name in ("_head_timer", "_body_timer", "_send_timer"):
            self._cancel(name)

    def _cancel(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that gives its place back when it ends. Whether its peer lives, uvicorn finds out with pings."""

    def __init__(self, connection: Connection, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._connection.release()
        super().connection_lost(exc)
