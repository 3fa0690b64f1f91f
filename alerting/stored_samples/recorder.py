"""Samples on their way from the memory of rules to the store of samples: one batch of all environments at a time.

A record is not acknowledged before its samples are stored, so that after a crash they come again. What is there already
changes nothing.
"""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from components.durations import MINUTE, SECOND
from stores.samples.store import SampleBatch, series_id
from telemetry.environment import EVERY_ENVIRONMENT
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.rules.samples import StoredSeries
    from stores.samples.store import SampleStore

log = structlog.get_logger(__name__)

MAX_WAITING = 2_000_000
"""Samples that may wait, of all environments: some 50 MB. Past it they are dropped and counted; what rules see stays."""
ENOUGH = 100_000
"""Samples that are worth a flush before it is due."""
RETAIN_EVERY = 10 * MINUTE
NEVER = 2**63 - 1
CLOSE_SECONDS = 5.0
"""How long a stop waits for the store: containers are killed after ten."""


@dataclass(slots=True)
class RecorderCounts:
    """What the recorder did, since the start."""

    flushes: int = 0
    failed_flushes: int = 0
    dropped: int = 0


class SampleJournal:
    """The samples of one environment that wait. A `Journal`.

    Args:
        environment: its name.
        admit: whether one more may wait.
        newest: the time of the telemetry, ns.
        forget: is called when what waits belongs to other owners from now on.
    """

    def __init__(
        self, environment: str, admit: Callable[[], bool], newest: Callable[[], int], forget: Callable[[SampleJournal], None]
    ) -> None:
        self.environment = environment
        self._admit, self._newest, self._forget = admit, newest, forget
        self._series: list[StoredSeries] = []
        self._times, self._values, self._deltas = array("q"), array("d"), array("q")
        self._since = self._in_flight_since = NEVER
        self._rewritten_from = NEVER  # the oldest sample that was stored since somebody asked
        self._announced = 0  # the newest time that the store knows

    def __len__(self) -> int:
        return len(self._series)

    @property
    def held_from(self) -> int:
        """See `Alerting.held_from`."""
        return min(self._since, self._in_flight_since)

    def add(self, series: StoredSeries, time: int, value: float, newest: int, delta: int = 0) -> None:
        """Let one sample or delta wait; see `Journal`."""
        if not self._admit():
            return
        if not self._series:
            self._since = newest
        self._series.append(series)
        self._times.append(time)
        self._values.append(value)
        self._deltas.append(delta)

    def take(self) -> SampleBatch | None:
        """What waits, or that time went on; None where neither. `settle` says what became of it."""
        newest = self._newest()
        if not self._series and newest - self._announced < MINUTE:
            return None
        series, self._series = self._series, []
        times, self._times = self._times, array("q")
        values, self._values = self._values, array("d")
        deltas, self._deltas = np.frombuffer(self._deltas, np.int64), array("q")
        self._in_flight_since, self._since = self._since, NEVER
        for each in series:
            if not each.id:
                each.id = series_id(self.environment, each.labels)
        return SampleBatch(
            self.environment,
            {each.id: each.labels for each in series},
            np.fromiter((each.id for each in series), np.int64, len(series)),
            np.frombuffer(times, np.int64),
            np.frombuffer(values, np.float64),
            newest,
            deltas if deltas.any() else None,
        )

    def settle(self, batch: SampleBatch) -> None:
        """A batch is stored."""
        self._in_flight_since = NEVER
        if len(batch.times):
            self._rewritten_from = min(self._rewritten_from, int(batch.times.min()))
        self._announced = batch.newest

    def note_rewritten(self, since: int) -> None:
        """Samples from a time on are others now than they were."""
        self._rewritten_from = min(self._rewritten_from, since)

    def take_rewritten(self) -> int:
        """From when on the store may say something else than when this was asked last, ns."""
        since, self._rewritten_from = self._rewritten_from, NEVER
        return since

    def close(self) -> None:
        """Another process owns the environment from now on, which reads again what waits here. Safe twice."""
        self._forget(self)


class SampleRecorder:
    """Flushes the journals of this process, in the background: rules do not wait for the store.

    Args:
        store: takes the samples.
        now: nanoseconds since the epoch.
        every: nanoseconds between two flushes.
    """

    def __init__(self, store: SampleStore, now: Callable[[], int], every: int = 10 * SECOND) -> None:
        self.store, self.counts = store, RecorderCounts()
        self._now, self._every = now, every
        self._journals: dict[str, SampleJournal] = {}
        self._unsettled: list[tuple[SampleJournal, SampleBatch]] = []  # read, and not known to be stored
        self._waiting = self._flushed_at = self._retained_at = self._newest = 0
        self._flushing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._is_down = self._closed = False

    @property
    def waiting(self) -> int:
        """Samples that are not stored yet."""
        return self._waiting

    def journal(self, environment: str, newest: Callable[[], int]) -> SampleJournal:
        """A journal for an environment that is acquired, in place of one from before: its samples come again."""
        if environment in self._journals:
            self._forget(self._journals[environment])
        made = self._journals[environment] = SampleJournal(environment, self._admit, newest, self._forget)
        return made

    def _forget(self, journal: SampleJournal) -> None:
        if self._journals.get(journal.environment) is journal:
            del self._journals[journal.environment]
            self._waiting -= len(journal)

    def _admit(self) -> bool:
        if self._waiting >= MAX_WAITING:
            self.counts.dropped += 1
            return False
        self._waiting += 1
        return True

    def tick(self) -> None:
        """Begin a flush where one is due. An error of ours comes out here."""
        if self._closed:
            return
        if self._flushing is not None:
            if not self._flushing.done():
                return
            self._flushing.result()
            self._flushing = None
        now = self._now()
        if now - self._flushed_at >= self._every or self._waiting >= ENOUGH:
            self._flushed_at = now
            self._flushing = asyncio.create_task(self._flush_in_background(now), name="samples-flush")

    async def _flush_in_background(self, now: int) -> None:
        try:
            await self.flush()
            if now - self._retained_at >= RETAIN_EVERY:
                self._retained_at = now
                await self.store.retain(min(now, self._newest or now))
        except StoreError as error:
            if not self._is_down:
                log.warning("samples_not_stored", reason=str(error), waiting=self._waiting, hint="they wait")
            self._is_down = True

    async def flush(self) -> None:
        """Return when all that was added before is stored.

        Raises:
            StoreError: not now; it waits for the next flush.
        """
        async with self._turn:
            if not self._unsettled:
                for journal in list(self._journals.values()):
                    batch = journal.take()
                    if batch is not None:
                        self._unsettled.append((journal, batch))
            if not self._unsettled:
                return
            try:
                await self.store.write([batch for _, batch in self._unsettled])
            except StoreError:
                self.counts.failed_flushes += 1
                raise
            self._is_down = False
            self.counts.flushes += 1
            for journal, batch in self._unsettled:
                self._newest = max(self._newest, batch.newest)
                self._waiting -= len(batch.ids)
                journal.settle(batch)
            every = self._journals.get(EVERY_ENVIRONMENT)
            if every is not None:
                every.note_rewritten(
                    min((int(batch.times.min()) for _, batch in self._unsettled if len(batch.times)), default=NEVER)
                )
            self._unsettled = []
            for refusal in self.store.refusals.to_log(self._newest):
                log.warning("series_not_stored", environment=refusal.environment, sender=refusal.sender, reason=str(refusal))

    async def close(self) -> None:
        """Store what waits, once and in CLOSE_SECONDS. Safe twice; the store stays open."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._flushing is not None:
                    await asyncio.wait({self._flushing})
                await self.flush()
        except (StoreError, TimeoutError) as error:
            log.warning("samples_not_stored", reason=str(error), waiting=self._waiting, hint="they are read again from the log")
        if self._flushing is not None and not self._flushing.done():
            self._flushing.cancel()
            await asyncio.wait({self._flushing})
