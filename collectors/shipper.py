"""Between the receivers and the log: a bound on what is on its way, and an answer only when it has arrived."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field

from collectors.errors import LogUnavailableError
from components.memory_limiter import Budget
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collectors.metrics import CollectorMetrics


class Sink(Protocol):
    """Accepts records for topics, none larger than `max_record_bytes`."""

    @property
    def max_record_bytes(self) -> int:
        """The largest value that `send` accepts."""
        ...

    async def send(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Return when the record is durable on the log.

        Raises:
            OverloadedError: a limit is reached and nothing was accepted; try again later.
            LogUnavailableError: the log did not say that it has the record; sending it again is safe.
        """
        ...


class Producer(Protocol):
    """Writes to the log."""

    async def produce(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Return when the record is durable. An exception means that it may not be."""
        ...


class ShipperConfig(BaseModel):
    """Bounds of the shipper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=64 * 2**20, gt=0, description="Bytes on their way to the log, all requests together.")
    max_requests: int = Field(default=1000, gt=0, description="Requests on their way to the log.")
    max_record_bytes: int = Field(
        default=900_000, gt=0, description="Largest record; larger batches are split. Kafka accepts 1 MiB, headers included."
    )
    log_seconds: float = Field(default=10, gt=0, description="How long the log may take to confirm a record.")
    retry_after: float = Field(default=1, gt=0, description="Seconds that a refused client is asked to wait.")


class Shipper:
    """A `Sink` over a producer: refuses at once what does not fit its bounds, so that memory and waiting stay bounded."""

    def __init__(self, producer: Producer, config: ShipperConfig, metrics: CollectorMetrics) -> None:
        self._producer = producer
        self._config = config
        self._metrics = metrics
        self._budget = Budget("on the way to the log", config.max_bytes, config.max_requests, config.retry_after)
        metrics.waiting_bytes.set_function(lambda: self._budget.in_flight_bytes)
        metrics.waiting_requests.set_function(lambda: self._budget.requests)

    @property
    def is_full(self) -> bool:
        """Whether it refuses what comes now."""
        return self._budget.is_full

    @property
    def max_record_bytes(self) -> int:
        """As `Sink.max_record_bytes`."""
        return self._config.max_record_bytes

    async def send(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """As `Sink.send`."""
        try:
            with self._budget.share() as share:
                share.acquire(len(value))
                await self._produce(topic, value, headers)
        except OverloadedError:
            self._metrics.shed_requests.labels(topic, "full").inc()
            raise
        except LogUnavailableError:
            self._metrics.shed_requests.labels(topic, "log").inc()
            raise

    async def _produce(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        try:
            async with asyncio.timeout(self._config.log_seconds):
                await self._producer.produce(topic, value, headers)
        except OverloadedError:
            raise
        except TimeoutError as error:
            raise LogUnavailableError(
                f"{topic}: the log did not confirm the record in {self._config.log_seconds} s; try again",
                self._config.retry_after,
            ) from error
        except Exception as error:
            raise LogUnavailableError(
                f"{topic}: the log did not accept the record: {error}; try again", self._config.retry_after
            ) from error
