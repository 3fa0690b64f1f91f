"""OTLP over gRPC: the trace, logs and metrics services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from pydantic import BaseModel, ConfigDict, Field

from collectors import answers
from collectors.errors import LogUnavailableError
from collectors.ingest import Ingest, IngestConfig
from collectors.intake import Intake
from components.acceptor import ListenError
from components.sender import grpc_host
from components.tls import TlsConfig
from telemetry.errors import ConfigError, InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from collectors.answers import Refusal
    from collectors.metrics import CollectorMetrics
    from collectors.shipper import Sink
    from telemetry.otlp import Signal

_SERVICES: Final[Mapping[str, Signal]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "spans",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class OtlpGrpcConfig(BaseModel):
    """Where to listen, and for how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=4317, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_request_bytes: int = Field(
        default=4 * 2**20, gt=0, description="Largest request, decompressed. The default is that of gRPC."
    )
    max_streams: int = Field(
        default=100, gt=0, description="Requests at a time on one connection. A client with more waits, none fails."
    )
    stop_seconds: float = Field(default=5, ge=0, description="How long a stop waits for requests under way.")
    tls: TlsConfig | None = Field(default=None, description="Certificates; without them the port is plain text.")


class OtlpGrpcReceiver:
    """Listens for OTLP/gRPC and ships what comes. A request is answered when it is on the log."""

    def __init__(self, config: OtlpGrpcConfig, sink: Sink, metrics: CollectorMetrics, ingest: Ingest | None = None) -> None:
        self._config = config
        self._ingest = ingest or Ingest(IngestConfig(), metrics)
        self._intake = Intake("grpc", sink, metrics, self._ingest)
        self._server: Any = None
        self.port = 0

    async def start(self) -> None:
        """Listen; `port` is then the port bound.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        config = self._config
        server = grpc.aio.server(
            options=(
                # grpc refuses by itself, and uncounted, what is larger still; this also bounds decompression.
                ("grpc.max_receive_message_length", 2 * config.max_request_bytes),
                ("grpc.max_concurrent_streams", config.max_streams),
                ("grpc.so_reuseport", 0),  # else a second process would silently take a part of the requests
            )
        )
        server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    # Without a deserializer the handler has the bytes, and can ship them as they are.
                    service,
                    {"Export": grpc.unary_unary_rpc_method_handler(self._exporter(signal))},
                )
                for service, signal in _SERVICES.items()
            )
        )
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"{host}:{config.port}"
        try:
            if config.tls:
                self.port = server.add_secure_port(address, _credentials(config.tls))
            else:
                self.port = server.add_insecure_port(address)
            await server.start()
        except RuntimeError as error:
            raise ListenError(f"OTLP/gRPC cannot listen on {address}: {error}; is the port taken?") from error
        self._server = server

    async def stop(self) -> None:
        """Take no more requests, finish those under way. Safe before start and twice."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(self._config.stop_seconds)
        self._ingest.close()

    def _exporter(self, signal: Signal) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def export(body: bytes, context: Any) -> bytes:
            try:
                metadata = dict(context.invocation_metadata() or ())
                sender = self._ingest.senders.of_request(grpc_host(context.peer()), metadata, None)
                sender.begin()
                outcome = await self._intake.take(signal, body, sender, max_bytes=self._config.max_request_bytes)
            except (InputError, OverloadedError, LogUnavailableError) as error:
                refusal = answers.refusal(error)
            else:
                answer: bytes = answers.response(signal, outcome).SerializeToString()
                return answer
            self._intake.refused(signal, refusal.reason)
            await context.abort(_CODES[refusal.status.code], refusal.status.message, _trailers(refusal))
            raise AssertionError  # abort raises

        return export


def _trailers(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """The details of a status: where gRPC defines them, and RetryInfo also where Python's exporter looks for it."""
    trailers = [("grpc-status-details-bin", refusal.status.SerializeToString())]
    if refusal.retry_after is not None:
        trailers.append(("google.rpc.retryinfo-bin", refusal.retry_info.SerializeToString()))
    return tuple(trailers)


def _credentials(tls: TlsConfig) -> Any:
    try:
        return grpc.ssl_server_credentials(
            [(tls.key.read_bytes(), tls.certificate.read_bytes())],
            root_certificates=tls.client_ca.read_bytes() if tls.client_ca else None,
            require_client_auth=tls.client_ca is not None,
        )
    except OSError as error:
        raise ConfigError(f"OTLP/gRPC: TLS: the certificate, its key or the client CA cannot be read: {error}") from error
