"""Stage 4: diagnoses, alerts and heals, each environment by itself.

All of an environment is decided in one place, by its own event time. A record stays in flight for as long as rules look back,
so that after a crash the samples and the memory of traces are rebuilt from the log, while the state of alerts, notifications
and incidents comes back from a table, as do the last rankings, which are on no log.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.acting.environments import KnownEnvironments
from pipeline.delivery.background_writer import BackgroundWriter
from pipeline.exchange.by_environment import by_environment
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.environment_topic import GLOBAL_PARTITION
from pipeline.exchange.inner_records import received
from pipeline.exchange.learning import lines_of, traces_of
from processors.assembly.watermark import SECOND
from processors.detectors.log_templates import LogTemplates
from telemetry.environment import DEFAULT_ENVIRONMENT, EVERY_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.stored_samples.recorder import SampleRecorder
    from pipeline.acting.config import ActConfig, ActCounts
    from pipeline.acting.environment import Environment
    from pipeline.acting.heartbeat import Heartbeat
    from pipeline.acting.settings import AlertingSettings
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.record import TP, Record
    from pipeline.state.table import StageTable
    from telemetry.documents import Document

SETTLE_SECONDS = 5.0
"""How long to wait for the store when the environments of a partition are let go."""

MAX_ANSWERS = 1000
"""Answers to requests for approval that may wait for the next tick. Humans give a few a day."""

OF_ENVIRONMENTS = frozenset(
    {
        BatchKind.POINTS,
        BatchKind.TRACES,
        BatchKind.LOG_TEMPLATES,
        BatchKind.EDGES,
        BatchKind.ANOMALIES,
        BatchKind.GLOBAL_POINTS,
    }
)
"""Batches of items that belong to environments; the others concern all of them."""

_EARLIER = frozenset({BatchKind.SPANS, BatchKind.LOGS})
"""What releases before TRACES and LOG_TEMPLATES sent."""

_ACCEPTED = OF_ENVIRONMENTS | _EARLIER | {BatchKind.ANSWERS, BatchKind.SOURCES, BatchKind.SETTINGS}


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A record that is not acknowledged: who may need it after a crash, and what of it goes to other partitions."""

    tp: TP
    offset: int
    arrived: tuple[tuple[Environment, int], ...]  # with the event time then
    passed_on: tuple[asyncio.Future[None], ...]

    @property
    def is_done(self) -> bool:
        """Whether nobody needs it any more."""
        return all(time <= environment.horizon for environment, time in self.arrived)


@dataclass(slots=True)
class _ActPartition:
    """What is held of a partition: its environments, and its records in order of arrival."""

    known: KnownEnvironments
    environments: dict[str, Environment] = field(default_factory=dict)
    in_flight: deque[_InFlight] = field(default_factory=deque)
    unsaved: list[tuple[OffsetTracker, TP, int]] = field(default_factory=list)
    """Records that say what holds in every environment, until that is saved."""
    passed_on: list[asyncio.Future[None]] = field(default_factory=list)
    """What is on its way to another partition, to see that it arrives."""
    last_record: int = 0

    @property
    def owned(self) -> list[Environment]:
        """The environments that have begun: records that come meanwhile may name others."""
        return [environment for environment in self.environments.values() if environment.partition is not None]

    @property
    def event_time(self) -> int:
        """That of the environment that is furthest."""
        return max((environment.event_time for environment in self.environments.values()), default=0)


class ActStage:
    """The state and the work of stage 4 in one worker.

    Args:
        config: how many environments there may be, and when time goes on without telemetry.
        counts: what the stage did.
        make: an environment of that name, with the state that is its own.
        writer: stores documents.
        state: keeps what must survive a crash.
        now: nanoseconds since the epoch.
        signals: the way to the partitions of other environments.
        settings: what holds in every environment; an analysis of files has none.
        heartbeat: tells somebody outside that this works, while the first partition is here.
        recorder: takes the samples of rules to their store, if there is one.
        read_to_end: whether all telemetry has been read that there is, as far as this worker can see.
        live: whether time goes on by itself when no telemetry comes.
    """

    def __init__(
        self,
        config: ActConfig,
        counts: ActCounts,
        make: Callable[[str, StageTable], Environment],
        writer: DocumentWriter,
        state: StageTable,
        now: Callable[[], int],
        signals: EnvironmentTopic,
        settings: AlertingSettings | None = None,
        *,
        heartbeat: Heartbeat | None = None,
        recorder: SampleRecorder | None = None,
        read_to_end: Callable[[], bool] = lambda: True,
        live: bool = True,
    ) -> None:
        self._config, self.counts, self._make = config, counts, make
        self._state, self._now, self._settings, self._live = state, now, settings, live
        self._templates = LogTemplates()  # of lines that came as releases before LOG_TEMPLATES sent them
        self._partitions: dict[int, _ActPartition] = {}
        self._answers: list[dict[str, object]] = []  # of humans, that came to another worker
        self._background = BackgroundWriter(writer)
        self._heartbeat, self._recorder = heartbeat, recorder
        self._signals, self._read_to_end = signals, read_to_end
        self._has_settings = False  # that are not saved
        self._last_tick = 0
        self._owning = asyncio.Lock()

    @property
    def environments(self) -> dict[str, Environment]:
        """Those that this worker owns, by name."""
        return {name: each for part in self._partitions.values() for name, each in part.environments.items()}

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds of the search for culprits, of repairs and of environments have cost."""
        cost: Counter[str] = Counter(environments=self.counts.environments_beyond)
        for environment in self.environments.values():
            cost.update(environment.dropped)
        if self._settings is not None:
            cost["repair_anomalies"] = self.counts.anomalies_dropped
        return cost

    def handle(self, event: Record, offsets: OffsetTracker) -> None:
        """Take one record of a partition that is owned; of one that was let go of, the next owner reads it."""
        tp = event.message.tp
        part = self._partitions.get(tp.partition)
        if part is None:
            return
        batch, items = received(event, _ACCEPTED)
        if batch is BatchKind.SPANS:
            batch, items = BatchKind.TRACES, traces_of(items)
        elif batch is BatchKind.LOGS:
            batch, items = BatchKind.LOG_TEMPLATES, lines_of(items, self._templates)
        if batch is BatchKind.SETTINGS and self._settings is not None:
            self._settings.receive(items)  # or it is refused
        offsets.add(event)
        part.last_record = self._now()
        if batch is BatchKind.SOURCES:
            self._note_sources(items)
        if batch in {BatchKind.SOURCES, BatchKind.SETTINGS}:
            self._has_settings |= batch is BatchKind.SETTINGS
            part.unsaved.append((offsets, tp, event.message.offset))
            return
        if batch is BatchKind.ANSWERS:
            self._handle_answers(items)
        seen, passed_on = self._divide(part, tp.partition, batch, items) if batch in OF_ENVIRONMENTS else ([], [])
        arrived = tuple((environment, environment.event_time) for environment in seen)
        part.passed_on += passed_on
        part.in_flight.append(_InFlight(tp, event.message.offset, arrived, tuple(passed_on)))
        self._release_records(part, offsets)

    def _divide(
        self, part: _ActPartition, partition: int, batch: BatchKind, items: Sequence[Any]
    ) -> tuple[list[Environment], list[asyncio.Future[None]]]:
        """Give items to their environments: those that took some, and what is on its way to other partitions."""
        seen: list[Environment] = []
        passed_on: list[asyncio.Future[None]] = []
        of_points = batch in {BatchKind.POINTS, BatchKind.GLOBAL_POINTS}
        if of_points and self._settings is not None and self._settings.rules.has_global:
            if partition == GLOBAL_PARTITION:
                seen.append(self._global(part))
                seen[0].handle(BatchKind.POINTS, items)
            else:
                passed_on += self._signals.send_global(items)
        if batch is BatchKind.GLOBAL_POINTS:  # their environments are of other partitions
            return seen, passed_on
        for name, own in by_environment(batch, items).items():
            if self._signals.partition_of(name) != partition:  # of a release that knew one environment
                passed_on += self._signals.send_all(batch, own)
                continue
            environment = self._environment(part, name)
            environment.handle(batch, own)
            seen.append(environment)
        return seen, passed_on

    @staticmethod
    def _release_records(part: _ActPartition, offsets: OffsetTracker) -> None:
        """Let go of the records that no environment needs after a crash; commits have no gaps, so the oldest come first."""
        while part.in_flight:
            oldest = part.in_flight[0]
            if not (offsets.full or oldest.is_done) or not all(each.done() for each in oldest.passed_on):
                break
            part.in_flight.popleft()
            offsets.release(oldest.tp, (oldest.offset,))

    def _environment(self, part: _ActPartition, name: str) -> Environment:
        admitted = part.known.admit(name)
        self.counts.environments_beyond += admitted != name
        environment = part.environments.get(admitted)
        if environment is None:
            environment = part.environments[admitted] = self._make(admitted, self._state.scoped(admitted))
        return environment

    def _global(self, part: _ActPartition) -> Environment:
        every = part.environments.get(EVERY_ENVIRONMENT)
        if every is None:
            every = self._make(EVERY_ENVIRONMENT, self._state.scoped(EVERY_ENVIRONMENT))
            part.environments[EVERY_ENVIRONMENT] = every
        return every

    def _handle_answers(self, bodies: list[dict[str, object]]) -> None:
        capacity = MAX_ANSWERS - len(self._answers)
        self._answers += bodies[:capacity]
        self.counts.answers_dropped += len(bodies[capacity:])

    def _note_sources(self, bodies: list[dict[str, object]]) -> None:
        """Remember who feeds the telemetry. The record stays in flight until that is saved."""
        if self._settings is not None:
            for body in bodies:
                self._settings.trust.fed(str(body["source"]), self._now())

    # ------------------------------------------------------------------ time

    async def run(self) -> None:
        """Let time pass, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            await self._background.wait_for_capacity()
            async with self._owning:
                if self._partitions:
                    await self.tick()

    async def tick(self) -> None:
        """Rank, evaluate, notify and repair what is due, each environment at its own event time."""
        now = self._now()
        since, self._last_tick = self._last_tick, now
        if self._settings is not None:
            await self._settings.refresh()
        for partition, part in self._partitions.items():
            if partition == GLOBAL_PARTITION and self._settings is not None and self._settings.rules.has_global:
                self._global(part)
            await self._begin_new(partition, part)
            passed_on, part.passed_on = part.passed_on, []
            await asyncio.gather(*passed_on)
        await self._save_shared()
        if self._settings is not None:
            answers, self._answers = self._answers, []
            for answer in answers:
                await self._settings.approvals.handle(answer)
            self._settings.forward()
        self._background.put(await self._tick_environments(since, now))
        if self._recorder is not None:
            self._recorder.tick()
        # That one worker lives says nothing of the others, so only one of them tells.
        if self._heartbeat is not None and GLOBAL_PARTITION in self._partitions:
            self._heartbeat.beat()

    async def _tick_environments(self, since: int, now: int) -> list[Document]:
        documents: list[Document] = []
        for part in self._partitions.values():
            if self._live and self._read_to_end():
                self._elapse(part, since, now)
            for environment in part.owned:
                documents += await environment.tick()
        return documents

    def _elapse(self, part: _ActPartition, since: int, now: int) -> None:
        """Where no record comes, time goes on by the clock; where one environment is silent, up to where the others are.

        Rules follow the clock also where no telemetry came since the start, or before it for as long as nobody was there.
        """
        idle = self._config.idle * SECOND
        until = now if now - part.last_record > idle else part.event_time
        for environment in part.environments.values():
            if now - environment.last_record > idle:
                environment.elapse(now - max(since, environment.last_record), until)
                if until == now:
                    environment.follow_clock(now)

    async def rank(self) -> list[Document]:
        """Rank culprits now, in every environment that there is."""
        return [document for environment in self.environments.values() for document in await environment.rank()]

    async def _save_shared(self) -> None:
        unsaved = [record for part in self._partitions.values() for record in part.unsaved]
        for part in self._partitions.values():
            part.unsaved = []
        if self._settings is not None:
            await self._settings.save_sources()
            if self._has_settings:
                self._has_settings = False
                await self._settings.apply_received()
        for offsets, tp, offset in unsaved:
            offsets.release(tp, (offset,))

    # ------------------------------------------------------------------ ownership

    async def own(self, partition: int) -> None:
        """Take over the environments of a partition with the state that their last owner saved. Safe twice."""
        if partition in self._partitions:
            return  # without waiting for a round of ours to end
        async with self._owning:
            if partition in self._partitions:
                return
            part = _ActPartition(KnownEnvironments(self._config.max_environments, partition))
            if self._settings is not None:
                await self._settings.own(self._state, partition)
                part.known.restore(self._state, partition)
            for name in part.known.names:
                self._environment(part, name)
            if partition == GLOBAL_PARTITION:
                self._environment(part, DEFAULT_ENVIRONMENT)
                if self._settings is not None and self._has_global():
                    self._global(part)
            for environment in part.environments.values():
                await self._begin(environment, partition)
            self._partitions[partition] = part

    def _has_global(self) -> bool:
        """Whether rules run over all environments, or did so: then their alerts have to end."""
        saved = self._state.scoped(EVERY_ENVIRONMENT).load(GLOBAL_PARTITION, "engine")
        return saved is not None or (self._settings is not None and self._settings.rules.has_global)

    async def _begin(self, environment: Environment, partition: int) -> None:
        await environment.own(partition)
        if self._settings is not None and environment.alerting is not None:
            await self._settings.begin(environment.alerting)

    async def _begin_new(self, partition: int, part: _ActPartition) -> None:
        """Own the environments that telemetry has named for the first time. That they are known is saved before all else."""
        new = [environment for environment in part.environments.values() if environment.partition is None]
        if new and self._settings is not None:
            await part.known.save(self._state, partition)
        for environment in new:
            await self._begin(environment, partition)

    async def release(self, partitions: set[int] | None = None) -> None:
        """Let go of partitions, or of all: another worker owns their environments from now on. Safe twice."""
        async with self._owning:
            for partition in set(self._partitions if partitions is None else partitions) & self._partitions.keys():
                part = self._partitions.pop(partition)
                await self._background.settle(SETTLE_SECONDS)
                for environment in part.environments.values():
                    if self._settings is not None and environment.alerting is not None:
                        self._settings.end(environment.alerting)
                    await environment.release()
                if self._settings is not None:
                    self._settings.release(partition)
