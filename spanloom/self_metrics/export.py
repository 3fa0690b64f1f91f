"""The service graph and the spans' rates and durations to an OTLP endpoint, as `/metrics` has them."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
import structlog
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from collectors.replay.client import EndpointError, OtlpClient
from telemetry import otlp
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

    from telemetry.metrics import Metric

log = structlog.get_logger(__name__)

POINTS: Final = 1000
"""Most points in a request: about half a megabyte of histograms with exemplars, a tenth of what receivers take."""

LAST_SECONDS: Final = 5.0
"""How long a stop may take to send the last reading."""


class MetricsConfig(BaseModel):
    """Where `traces_service_graph_*`, `traces_span_metrics_*` and the clock skew go beside `/metrics`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    otlp: str = Field(
        default="",
        pattern="^(https?://[^/]+.*)?$",
        description="OTLP/HTTP endpoint that gets them, such as http://127.0.0.1:4318; empty: nobody",
    )
    period: float = Field(default=15.0, ge=1, le=3600, description="seconds between two readings, and how long one may take")
    headers: dict[str, SecretStr] = Field(default={}, description="sent with each request, such as authorization")
    ca_file: Path | None = Field(default=None, description="PEM file of the CAs to trust; default: those of the system")
    cert_file: Path | None = Field(default=None, description="PEM file of a client certificate")
    key_file: Path | None = Field(default=None, description="PEM file of its private key")


class MetricsExporter:
    """Reads and sends once a period.

    All points are cumulative: a reading that could not be sent within the period is dropped and counted, and the next
    one tells what it would have had. So there is no queue, and one reading at a time is in memory.

    Args:
        config: where to, how often.
        read: gives the metrics as they stand.
        registry: shows what became of them.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """

    def __init__(self, config: MetricsConfig, read: Callable[[], Sequence[Metric]], registry: CollectorRegistry) -> None:
        self._config, self._read = config, read
        self._trust = _trust(config)
        self._failing = False
        self._sent = Counter("spanloom_metrics_export_points", "Points accepted by the OTLP endpoint", registry=registry)
        self._refused = Counter(
            "spanloom_metrics_export_points_refused", "Points that the OTLP endpoint refused", registry=registry
        )
        self._failed = Counter(
            "spanloom_metrics_export_failures",
            "Exports that failed at least in part",
            registry=registry,
        )

    async def run(self) -> None:
        """Send until cancelled, and then once more, unless the endpoint does not answer."""
        config = self._config
        headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        async with httpx2.AsyncClient(timeout=config.period, verify=self._trust, headers=headers) as http:
            client = OtlpClient(config.otlp, http)
            try:
                while True:
                    await asyncio.sleep(config.period)
                    await self._export(client, config.period)
            finally:
                if not self._failing:
                    await self._export(client, LAST_SECONDS)

    async def _export(self, client: OtlpClient, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                for part in parts(self._read()):
                    outcome = await client.send("metrics", otlp.encode_metrics(part))
                    points = sum(len(metric.points) for metric in part)
                    self._sent.inc(max(0, points - outcome.rejected))
                    self._refused.inc(outcome.rejected)
        except (EndpointError, TimeoutError) as error:
            self._failed.inc()
            if not self._failing:
                log.warning("metrics_export_failed", endpoint=self._config.otlp, error=str(error) or "no answer in time")
            self._failing = True
        else:
            if self._failing:
                log.info("metrics_export_recovered", endpoint=self._config.otlp)
            self._failing = False


def _trust(config: MetricsConfig) -> ssl.SSLContext | bool:
    if not (config.ca_file or config.cert_file):
        return True
    try:
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
        if config.cert_file:
            context.load_cert_chain(config.cert_file, config.key_file)
    except OSError as error:
        files = ", ".join(str(path) for path in (config.ca_file, config.cert_file, config.key_file) if path)
        raise ConfigError(f"metrics: {files}: {error}; each must be a PEM file that can be read") from error
    return context


def parts(metrics: Sequence[Metric]) -> Iterator[list[Metric]]:
    """The metrics in requests of at most `POINTS` points; a metric with more is in several."""
    part: list[Metric] = []
    room = POINTS
    for metric in metrics:
        points = metric.points
        while points:
            part.append(replace(metric, points=points[:room]))
            room, points = room - len(part[-1].points), points[room:]
            if not room:
                yield part
                part, room = [], POINTS
    if part:
        yield part
