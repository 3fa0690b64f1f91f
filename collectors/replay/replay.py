"""Replay: batches of recorded telemetry to an endpoint, several at a time, each when it is due."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.decoding import Outcome
from collectors.replay.client import EndpointError, RefusedError
from telemetry import otlp
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.replay.batches import RequestBatch
    from collectors.replay.client import OtlpClient


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did. Lines are those sent; items those that the endpoint acknowledged, and `refused` those it did not."""

    lines: int = 0
    spans: int = 0
    logs: int = 0
    points: int = 0
    requests: int = 0
    retries: int = 0
    refused: int = 0
    replaced: int = 0  # texts that are no Unicode, with U+FFFD for it
    seconds: float = 0.0


class Replay:
    """Sends batches.

    Args:
        client: where to.
        concurrency: how many requests are under way at most.
        on_refused: called with what the endpoint rejects and why, after which the replay goes on.
    """

    def __init__(self, client: OtlpClient, concurrency: int, on_refused: Callable[[EndpointError], None] | None = None) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._on_refused = on_refused
        self.summary = ReplaySummary()

    async def run(self, batches: Iterator[RequestBatch]) -> ReplaySummary:
        """Send all batches; return when the last is acknowledged.

        Raises:
            EndpointError: the endpoint cannot be reached, or rejected something and there is no `on_refused`.
            InputError: what reading the batches raises.
        """
        started = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._slots.acquire()
                    batch = await asyncio.to_thread(next, batches, None)  # files and JSON: not in the loop
                    if batch is None:
                        break
                    await asyncio.sleep(batch.due - (time.monotonic() - started))
                    tasks.create_task(self._send(batch))
        except BaseExceptionGroup as errors:
            ours = errors.subgroup(SpanloomError)
            if ours is None:
                raise
            raise _first(ours) from None
        finally:
            self.summary.seconds = time.monotonic() - started
            self.summary.retries = self._client.retries
        return self.summary

    async def _send(self, batch: RequestBatch) -> None:
        try:
            items = otlp.count_items(batch.signal, otlp.parse(batch.signal, batch.value))
            try:
                outcome = await self._client.send(batch.signal, batch.value)
            except RefusedError as error:
                if self._on_refused is None:
                    raise
                outcome = Outcome(items, str(error))
            self._count(batch, items, outcome)
        finally:
            self._slots.release()

    def _count(self, batch: RequestBatch, items: int, outcome: Outcome) -> None:
        summary, accepted = self.summary, items - outcome.rejected
        summary.requests += 1
        summary.lines += batch.lines
        summary.refused += outcome.rejected
        match batch.signal:
            case "spans":
                summary.spans += accepted
            case "logs":
                summary.logs += accepted
            case "metrics":
                summary.points += accepted
        if outcome.rejected:
            error = EndpointError(f"the endpoint refused {outcome.rejected} of {items} {batch.signal}: {outcome.message}")
            if self._on_refused is None:
                raise error
            self._on_refused(error)


def _first(errors: BaseExceptionGroup[SpanloomError]) -> SpanloomError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SpanloomError)  # noqa: S101 - the group holds nothing else
    return error
