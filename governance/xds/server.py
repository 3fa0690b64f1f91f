"""The port of the control plane: gRPC for agents, on TCP or a Unix socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from telemetry.errors import UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

MAX_REQUEST = 4 << 20
"""Bytes of a request; Envoy's first one names its extensions and has 30 KiB."""
STOP_SECONDS = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_REQUEST),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
)


class XdsServer:
    """From entering to leaving.

    Args:
        address: HOST:PORT, or unix:PATH; port 0 is any.
        handlers: what is served.
        credentials: without them it is plain text: for loopback and Unix sockets alone.

    Attributes:
        port: the one that is bound.

    Raises:
        UnrecoverableError: the address cannot be bound.
    """

    def __init__(
        self, address: str, handlers: Sequence[grpc.GenericRpcHandler], credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self._address, self._handlers, self._credentials = address, handlers, credentials
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        """Bind and serve."""
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(tuple(self._handlers))
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(self._address)
            else:
                self.port = server.add_secure_port(self._address, self._credentials)
        except RuntimeError as error:
            raise UnrecoverableError(f"control: cannot listen on {self._address}: {error}") from error
        self._server = server  # without a reference it would stop serving
        await server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every stream; agents keep what they have and come back."""
        if self._server is not None:
            await self._server.stop(STOP_SECONDS)
            self._server = None
