"""What all receivers share: one bound on memory and requests, one thread that decodes, and who may send how much."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from traceback import clear_frames
from typing import TYPE_CHECKING, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from collectors.reading import Reading
from collectors.senders import SenderLimits, Senders
from components.memory_limiter import Budget
from telemetry.errors import ConfigError, OverloadedError
from telemetry.structure import ELEMENT_BYTES, MAX_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from collectors.metrics import CollectorMetrics
    from components.access.tokens import TokenConfig

T = TypeVar("T")

MAX_QUEUED: Final = 64
"""Large requests that may wait to be decoded: that takes a tenth of a second each at most."""

_COPIES: Final = 2  # of a request: compressed and decompressed; then it is records


class IngestConfig(BaseModel):
    """Bounds over all receivers together, and who may send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    require_token: bool = Field(
        default=False, description="Refuse requests without a token of role ingest or admin (access.tokens)."
    )
    token_limits: SenderLimits = Field(default=SenderLimits(), description="What every token may send.")
    limits_by_token: dict[str, SenderLimits] = Field(
        default={}, max_length=1000, description="What single tokens may send, by the token's name."
    )
    max_memory_bytes: int = Field(
        default=384 * 2**20,
        gt=0,
        description="Memory for requests whose body is there, over all transports: bodies, and one that is being decoded.",
    )
    max_requests: int = Field(default=1000, gt=0, description="Requests whose body is there, over all transports.")
    max_reading_bytes: int = Field(default=64 * 2**20, gt=0, description="Bytes of bodies on their way, of each transport.")
    max_reading_bytes_per_address: int = Field(default=32 * 2**20, gt=0, description="The same from one address.")
    max_items: int = Field(default=100_000, gt=0, description="Spans, log records or data points of a request.")
    max_elements: int = Field(
        default=MAX_ELEMENTS,
        gt=0,
        description="What a request unfolds to: items, attributes, values, events, links, exemplars, within each other too.",
    )
    retry_after: float = Field(default=1, gt=0, description="Seconds that a refused client is asked to wait.")

    @property
    def decode_bytes(self) -> int:
        """What decoding one request may take."""
        return self.max_elements * ELEMENT_BYTES

    @model_validator(mode="after")
    def _must_hold_what_it_allows(self) -> Self:
        if self.max_memory_bytes <= self.decode_bytes:
            raise ValueError(
                f"max_memory_bytes must be more than {self.decode_bytes}, which decoding {self.max_elements} elements may "
                "take: raise it, or lower max_elements"
            )
        return self


class Ingest:
    """One for the process; every receiver gets it.

    Args:
        config: the bounds.
        metrics: where they are counted.
        tokens: those that are accepted.

    Raises:
        ConfigError: tokens are required, and none may send; or limits name a token that is not there.
    """

    def __init__(self, config: IngestConfig, metrics: CollectorMetrics, tokens: Iterable[TokenConfig] = ()) -> None:
        self.config = config
        self.senders = Senders(
            tokens, config.token_limits, config.limits_by_token, metrics.throttled_requests, required=config.require_token
        )
        # What decoding may take is kept back: there is one thread, and so one request that is being decoded.
        self.budget = Budget(
            "requests in memory", config.max_memory_bytes - config.decode_bytes, config.max_requests, config.retry_after
        )
        self._thread: ThreadPoolExecutor | None = None
        self._turn = asyncio.Lock()
        self._queued = 0
        self._readings: list[Reading] = []
        metrics.reading_bytes.set_function(lambda: sum(reading.in_flight_bytes for reading in self._readings))
        metrics.memory_bytes.set_function(lambda: self.budget.in_flight_bytes)
        metrics.memory_requests.set_function(lambda: self.budget.requests)

    def reading(self) -> Reading:
        """The bodies on their way of one transport."""
        config = self.config
        reading = Reading(config.max_reading_bytes, config.max_reading_bytes_per_address, config.retry_after)
        self._readings.append(reading)
        return reading

    def check_capacity(self, receiver: str, max_request_bytes: int) -> None:
        """Refuse a configuration under which the largest request of a receiver could never be accepted.

        Raises:
            ConfigError: names the setting that is too low.
        """
        config = self.config
        reading = min(config.max_reading_bytes, config.max_reading_bytes_per_address)
        if max_request_bytes > reading:
            raise ConfigError(
                f"{receiver}.max_request_bytes: {max_request_bytes} is more than may be on its way, {reading}: raise "
                "ingest.max_reading_bytes and ingest.max_reading_bytes_per_address, or lower it"
            )
        wanted = _COPIES * max_request_bytes + config.decode_bytes
        if wanted > config.max_memory_bytes:
            raise ConfigError(
                f"ingest.max_memory_bytes: {config.max_memory_bytes} is too low for one request of "
                f"{receiver}.max_request_bytes, {max_request_bytes}: {wanted} are needed"
            )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn at being decoded off the event loop, in the order of arrival: of what a request unfolds to, there is one.

        Raises:
            OverloadedError: too many wait for theirs already.
        """
        if self._queued >= MAX_QUEUED:
            raise OverloadedError(
                f"requests waiting to be decoded: {MAX_QUEUED} at a time is the limit", self.config.retry_after
            )
        self._queued += 1
        try:
            async with self._turn:
                yield
        finally:
            self._queued -= 1

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Do work in the one thread for it; to be called within a turn."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "decode")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _without_traces, work)

    def close(self) -> None:
        """End the thread once it has done what waits. Safe twice, and work may come again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)


def _without_traces(work: Callable[[], T]) -> T:
    """Do work; when it fails, keep nothing of it: an exception holds the variables of each call that it went through.

    Those hold what was built of the request, 130 MiB of a bomb. The exception lives until the event loop has answered, and on
    a busy machine the next requests would be looked through before that.
    """
    try:
        return work()
    except Exception as error:
        chain: list[BaseException | None] = [error]
        seen: set[int] = set()
        while chain:
            one = chain.pop()
            if one is not None and id(one) not in seen:
                seen.add(id(one))
                clear_frames(one.__traceback__)
                chain += one.__cause__, one.__context__
        raise
