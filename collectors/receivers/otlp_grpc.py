"""OTLP over gRPC: the trace, logs and metrics services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from pydantic import BaseModel, ConfigDict, Field

from collectors import responses
from collectors.admission import Intake
from collectors.compression import SizeLimit
from collectors.errors import LogUnavailableError
from collectors.grpc_front import Front, GrpcLimits
from collectors.grpc_health import Health
from collectors.ingest import Ingest, IngestConfig
from collectors.receiver import ReceiverComponent
from collectors.slots import Slots
from components.component import ComponentKind, Stability
from components.tls import TlsConfig
from telemetry.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from collectors.decoding import Outcome
    from collectors.grpc_front import Peer
    from collectors.metrics import CollectorMetrics
    from collectors.responses import Rejection
    from collectors.shipper import Sink
    from telemetry.otlp import Signal

_SERVICES: Final[Mapping[str, Signal]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "spans",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
_LEAST_SLOTS: Final = 3
_CODES = {code.value[0]: code for code in grpc.StatusCode}

_ROOM: Final = 2  # times the largest request that is received, to be refused with a reason

MAX_METADATA: Final = 16 * 1024
"""Bytes of a request's metadata, which is the header of HTTP/2."""


class OtlpGrpcConfig(BaseModel):
    """Where to listen, and for how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=4317, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    max_request_bytes: int = Field(
        default=16 * 2**20,
        gt=0,
        description="Largest request, decompressed. One of more than twice as much is refused by gRPC, which names no setting.",
    )
    max_streams: int = Field(
        default=100, gt=0, description="Requests at a time on one connection. A client with more waits, none fails."
    )
    read_seconds: float = Field(default=30, gt=0, description="How long a client may take to send a message.")
    limits: GrpcLimits = Field(default=GrpcLimits(), description="What connections may be and do.")
    stop_seconds: float = Field(default=5, ge=0, description="How long a stop waits for requests in flight.")
    tls: TlsConfig | None = Field(default=None, description="Certificates; without them the port is plain text.")


class OtlpGrpcReceiver:
    """Listens for OTLP/gRPC and ships what comes. A request is answered when it is on the log."""

    def __init__(self, config: OtlpGrpcConfig, sink: Sink, metrics: CollectorMetrics, ingest: Ingest | None = None) -> None:
        self._config = config
        self._ingest = ingest or Ingest(IngestConfig(), metrics)
        self._ingest.check_capacity("otlp_grpc", config.max_request_bytes)
        self._intake = Intake("grpc", sink, metrics, self._ingest)
        self._metrics = metrics
        self._limit = SizeLimit(config.max_request_bytes, "otlp_grpc.max_request_bytes")
        self._health = Health(_SERVICES)
        reading = self._ingest.config.max_reading_bytes
        self._slots = Slots(
            max(_LEAST_SLOTS, reading // (_ROOM * config.max_request_bytes)),
            self._ingest.config.max_requests,
            self._ingest.config.retry_after,
        )
        self._server: grpc.aio.Server | None = None
        self._front: Front | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; `port` is then the port bound.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        config = self._config
        front = Front(config.limits, self._metrics.connections, config.tls)
        server = grpc.aio.server(
            options=(
                # gRPC refuses by itself what is larger still; this also bounds decompression.
                ("grpc.max_receive_message_length", _ROOM * config.max_request_bytes),
                ("grpc.max_concurrent_streams", config.max_streams),
                ("grpc.max_metadata_size", MAX_METADATA),
                ("grpc.absolute_max_metadata_size", MAX_METADATA),
                ("grpc.server_handshake_timeout_ms", round(config.limits.header_seconds * 1000)),
                ("grpc.max_connection_idle_ms", round(config.limits.idle_seconds * 1000)),
                ("grpc.http2.bdp_probe", 0),  # else a stream that nobody reads from yet may grow beyond 64 KiB
            )
        )
        server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    # Without a deserializer the handler has the bytes, and can ship them as they are. As a stream of requests,
                    # which is the same on the wire, it says itself when it is ready for the message.
                    service,
                    {"Export": grpc.stream_unary_rpc_method_handler(self._exporter(signal, front))},
                )
                for service, signal in _SERVICES.items()
            )
        )
        server.add_generic_rpc_handlers((self._health.handler(),))
        listener = front.listen(config.host, config.port)
        self._server, self._front, self.port = server, front, listener.getsockname()[1]
        server.add_insecure_port(front.inner)
        await server.start()
        front.start(listener)
        self._health.set_serving(serving=True)

    async def stop(self) -> None:
        """Take no more requests, finish those in flight. Safe before start and twice."""
        server, front = self._server, self._front
        self._server = self._front = None
        if server is not None and front is not None:
            self._health.set_serving(serving=False)
            await front.stop_accepting()
            await server.stop(self._config.stop_seconds)
            await front.stop()
        self._ingest.close()

    def _exporter(
        self, signal: Signal, front: Front
    ) -> Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def export(_messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
            peer = front.peer(context.peer())
            if peer is None:  # its connection has ended, or did not come through the port
                self._intake.refused(signal, "cut_off")
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection has ended")
                raise AssertionError  # abort raises
            try:
                outcome = await self._admit(signal, peer, context)
            except _NoMessageError:
                await self._without_message(signal, context)
                raise AssertionError from None  # abort raises
            except (InputError, OverloadedError, LogUnavailableError) as error:
                refusal = responses.refusal(error)
            else:
                answer: bytes = responses.response(signal, outcome).SerializeToString()
                return answer
            self._intake.refused(signal, refusal.reason)
            await context.abort(_CODES[refusal.status.code], refusal.status.message, _trailers(refusal))
            raise AssertionError  # abort raises

        return export

    async def _admit(self, signal: Signal, peer: Peer, context: grpc.aio.ServicerContext) -> Outcome:
        sender = self._ingest.senders.of_request(peer.host, dict(context.invocation_metadata() or ()), peer.subject)
        sender.begin()
        return await self._intake.admit(signal, await self._message(context), sender, limit=self._limit)

    async def _message(self, context: grpc.aio.ServicerContext) -> bytes:
        """The message of a request. Read from the context, for the iterator of a stream keeps what it gave last."""
        async with self._slots.slot(self._config.read_seconds):
            message = await context.read()
        if not isinstance(message, bytes):  # EOF
            raise _NoMessageError
        return message

    async def _without_message(self, signal: Signal, context: grpc.aio.ServicerContext) -> None:
        """End a call of which gRPC gave no message: it sent none, or gRPC refused it as too large and has answered already."""
        try:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message: send one request")
        except grpc.aio.AbortError:
            self._intake.refused(signal, "malformed")
            raise
        except Exception:
            self._intake.refused(signal, "too_large")
            raise


class _NoMessageError(Exception):
    """gRPC has no message of a call."""


def _trailers(refusal: Rejection) -> tuple[tuple[str, bytes], ...]:
    """The details of a status: where gRPC defines them, and RetryInfo also where Python's exporter looks for it."""
    trailers = [("grpc-status-details-bin", refusal.status.SerializeToString())]
    if refusal.retry_after is not None:
        trailers.append(("google.rpc.retryinfo-bin", refusal.retry_info.SerializeToString()))
    return tuple(trailers)


OTLP_GRPC = ReceiverComponent(
    kind=ComponentKind.RECEIVER,
    name="otlp_grpc",
    config=OtlpGrpcConfig,
    build=lambda config, context: OtlpGrpcReceiver(config, context.sink, context.metrics, context.ingest),
    summary="OTLP over gRPC: spans, logs and metrics.",
    stability=Stability.STABLE,
)
