"""The composition root: which parts there are, what each is handed, and in which order they start and stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import httpx2
import structlog
from prometheus_client import CollectorRegistry

from alerting.stored_samples.recorder import SampleRecorder
from components.durations import SECOND
from components.sender import ANONYMOUS, KAFKA
from pipeline.act import ActStage
from pipeline.acting.api import routes as acting_routes
from pipeline.acting.config import ActCounts
from pipeline.acting.environment import Environment
from pipeline.acting.heartbeat import Heartbeat
from pipeline.agents import act_on_signals, assemble_traces, rekey_topics, score_series
from pipeline.assemble import AssembleStage
from pipeline.dead_letters.limits import DeadLetters
from pipeline.dead_letters.on_kafka import load_skips
from pipeline.dead_letters.on_log import LogDeadLetters, LogPlace
from pipeline.dead_letters.on_log import routes as dead_letter_routes
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import MAX_BYTES, OffsetTracker
from pipeline.exchange.batch_sender import send_everywhere
from pipeline.exchange.codec import BatchKind, encode_bodies
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.provenance import Sources
from pipeline.exchange.topics import Topic
from pipeline.incoming import RekeyCounts
from pipeline.runtime.app import TopicLayout, build_app, declare_topics
from pipeline.runtime.fitting_thread import in_thread
from pipeline.runtime.kafka_access import check_access, client_settings
from pipeline.runtime.kafka_topics import make_topics
from pipeline.runtime.lag import Lag
from pipeline.runtime.stall import StallWatch
from pipeline.score import ScoreStage
from pipeline.state.table import StageTable
from processors.detectors.detector import build_detectors
from processors.kernels.choose import choose
from processors.root_cause.ranking import CulpritRanker
from spanloom import components
from spanloom.build_alerting import AlertingFactory
from spanloom.process.garbage import look_for_cycles_seldom
from spanloom.self_metrics.pipeline import PipelineMetrics
from spanloom.self_metrics.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from starlette.routing import BaseRoute

    from alerting.playbooks.actions.steering import Steering
    from pipeline.acting.settings import AlertingSettings
    from pipeline.record import TP
    from pipeline.runtime.app import PipelineApp
    from pipeline.runtime.kafka_topics import TopicChange
    from spanloom.clock import Now
    from spanloom.config import Config
    from stores.samples.store import SampleStore
    from stores.store import Store
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

STAGES = ("rekey", "assemble", "score", "act")
SCORES, STATE = "spanloom-scores", "spanloom-state"
"""Tables: what stage 3 has learned, and what stage 4 keeps."""

IN_FLIGHT = 1000
"""Records that a stateless stage may have in flight."""

STOP_SECONDS = 8.0
"""How long the application may take to stop; a second or two is usual, and containers are killed after ten."""


class Log:
    """The log with its topics, from entering to leaving. Alone it only produces, which is what a collector needs.

    Attributes:
        stuck: whether the application still waits for a broker that has gone, after leaving.
    """

    def __init__(self, config: Config, stages: Sequence[str] = ()) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self.stuck = False
        self._stop_by = 0.0  # by the loop's clock
        sizes = TopicLayout(
            config.topics.partitions,
            config.topics.signal_partitions,
            config.topics.replicas,
            int(config.topics.retention_hours * 3600),
            config.topics.retention_bytes,
        )
        self.app: PipelineApp = build_app(
            _group(stages),
            config.log_url,
            config.data_dir / "state",
            sizes,
            config.kafka.session_seconds,
            topic_allow_declare=not self._on_kafka,  # there `make_topics` does, with the rights for it or without
            **config.kafka.for_faust(),
        )
        self.app.producer_only = not stages
        self.topics: Mapping[Topic, Any] = declare_topics(self.app, sizes)
        self._states = {
            stage: StageTable(self.app, name, partitions)
            for stage, name, partitions in (
                ("score", SCORES, sizes.partitions),
                ("act", STATE, sizes.signal_partitions),
            )
            if stage in stages
        }

    async def produce(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Write a record to a topic of ours; return when it is on the log."""
        sent = await self.topics[Topic(topic)].send(value=value, headers=dict(headers))
        await sent

    async def check_access(self) -> None:
        """Return when Kafka lets us in; the local log asks nobody.

        Raises:
            AccessRefusedError: it does not, or we do not trust it.
            UnreachableError: no broker answers.
        """
        if self._on_kafka:
            await check_access(client_settings(self.app))

    async def make_topics(self) -> list[TopicChange]:
        """Make the topics, and the changelogs of the stages; the local log makes them by itself.

        Raises:
            AccessRefusedError: Kafka does not let us in, or we do not trust it.
            TopicsError: Kafka cannot be reached, or refuses.
            ConfigError: a topic that is there does not fit the configuration.
        """
        return await make_topics(self.app, self._all_topics()) if self._on_kafka else []

    def wanted_topics(self) -> dict[str, int]:
        """The topics that there have to be, and how many partitions each has at least."""
        return {topic.get_topic_name(): topic.partitions for topic in self._all_topics()}

    def _all_topics(self) -> list[Any]:
        return [*self.topics.values(), *(table.changelog_topic for table in self.app.tables.values())]

    @property
    def _on_kafka(self) -> bool:
        return self._config.log_url.startswith("kafka://")

    async def __aenter__(self) -> Self:
        look_for_cycles_seldom()
        try:
            await self.make_topics()
            self._stack.push_async_callback(self._in_time, self.app.stop)
            await self.app.start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _in_time(self, part: Callable[[], Awaitable[None]]) -> None:
        """A part of the stop, all of which has STOP_SECONDS: Faust would wait for a broker that has gone for twenty minutes."""
        now = asyncio.get_running_loop().time()
        self._stop_by = self._stop_by or now + STOP_SECONDS
        work = asyncio.ensure_future(part())  # it swallows a cancellation
        await asyncio.wait({work}, timeout=max(0.0, self._stop_by - now))
        if work.done():
            work.result()
        elif not self.stuck:
            self.stuck = True
            log.warning("stop_timed_out", waited_seconds=STOP_SECONDS, hint="what was not committed is read again")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)


class Pipeline(Log):
    """The log and the stages that this process runs.

    Args:
        live: whether event time runs on by itself when no telemetry comes; not so in an analysis of files.
        alerts: whether rules, notifications and playbooks are part of it.
        samples: keeps what rules and PromQL queries read.
        steering: what playbooks steer traffic by.

    Attributes:
        joined: whether partitions have been assigned to it, be it none.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        now: Now,
        registry: CollectorRegistry | None = None,
        stages: Sequence[str] = STAGES,
        *,
        live: bool = True,
        alerts: bool = True,
        samples: SampleStore | None = None,
        steering: Steering | None = None,
    ) -> None:
        super().__init__(config, stages)
        self._now, self._steering = now, steering
        self.store = store
        self.joined = not stages
        self.registry = registry or CollectorRegistry()
        dead = self.dead = DeadLetters(self.topics[Topic.DEAD_LETTERS], config.dead_letters, self.app.skips)
        self.timings = Timings()
        self.writer = DocumentWriter(store, dead, seconds=self.timings.store)
        self.signals = EnvironmentTopic(self.topics[Topic.SIGNALS])
        self.offsets: dict[str, OffsetTracker] = {}
        self.rekeyed = RekeyCounts()
        self.kernels = choose(config.native)
        self.assemble: AssembleStage | None = None
        self.score: ScoreStage | None = None
        self.act: ActStage | None = None
        self.alerting: AlertingSettings | None = None
        self.heartbeat: Heartbeat | None = None
        self.recorder = (
            SampleRecorder(samples, now, int(config.samples.flush_seconds * SECOND)) if samples is not None else None
        )
        self._client: httpx2.AsyncClient | None = None
        if "rekey" in stages:
            self._rekey(dead)
        if "assemble" in stages:
            offsets = self._offsets("assemble", config.assemble.max_records, config.assemble.max_bytes, values=False)
            traced, series = self.topics[Topic.TRACED], self.topics[Topic.SERIES]
            self.assemble = AssembleStage(
                config.assemble, store, self.writer, offsets, traced, series, self.signals, now, self.kernels, live=live
            )
            assemble_traces(self.app, traced, self.assemble, offsets, dead)
        if "score" in stages:
            self.score = ScoreStage(
                self.writer,
                self.signals,
                self._states["score"],
                now,
                partial(build_detectors, components.DETECTORS, config.score, background=in_thread),
            )
            score_series(self.app, self.topics[Topic.SERIES], self.score, self._offsets("score", IN_FLIGHT), dead)
        if "act" in stages:
            self._act(live=live, alerts=alerts)
        self._on_rebalance()
        self.lag = Lag(self.app, self.topics)
        self.stalls = StallWatch(self.app, self.lag)
        self.metrics = PipelineMetrics(self, self.registry)

    def _offsets(self, name: str, limit: int, max_bytes: int = MAX_BYTES, *, values: bool = True) -> OffsetTracker:
        seconds = self.timings.records.labels(name)
        offsets = self.offsets[name] = OffsetTracker(self.app, limit, max_bytes, values=values, seconds=seconds)
        return offsets

    def _rekey(self, dead: DeadLetters) -> None:
        # Whoever writes to Kafka is trusted as Kafka is; a local log has records of our receivers alone.
        sources = Sources(self.signals, self._now, KAFKA if self._on_kafka else ANONYMOUS)
        track = partial(self._offsets, limit=IN_FLIGHT)
        rekey_topics(self.app, self.topics, self.writer, track, dead, self.rekeyed, sources, self._now, self.kernels)

    def _act(self, *, live: bool, alerts: bool) -> None:
        config, now, counts = self._config, self._now, ActCounts()
        alerting: AlertingFactory | None = None
        if alerts:
            self._client = httpx2.AsyncClient()
            alerting = AlertingFactory(config, self.writer, now, self._client, self._share, self.recorder, self._steering)
            self.alerting = alerting.settings
            if config.alerting.heartbeat_url is not None:
                self.heartbeat = Heartbeat(
                    self._client,
                    config.alerting.heartbeat_url.get_secret_value(),
                    int(config.alerting.heartbeat_seconds * SECOND),
                    now,
                )

        def environment(name: str, state: StageTable) -> Environment:
            built = alerting.build(name, state) if alerting is not None else None
            marks = self.alerting.marks if self.alerting is not None else None
            return Environment(name, config.act, counts, CulpritRanker(), state, now, built, marks)

        self.act = ActStage(
            config.act,
            counts,
            environment,
            self.writer,
            self._states["act"],
            now,
            self.signals,
            self.alerting,
            heartbeat=self.heartbeat,
            recorder=self.recorder,
            read_to_end=self._read_to_end,
            live=live,
        )
        act_on_signals(
            self.app,
            self.topics[Topic.SIGNALS],
            self.act,
            self._offsets("act", self._config.assemble.max_records, self._config.assemble.max_bytes, values=False),
            self.dead,
        )

    def _read_to_end(self) -> bool:
        return self.lag.read_to_end(lambda tp: max(offsets.next_of(*tp) for offsets in self.offsets.values()))

    def _share(self, batch: BatchKind, body: JsonObject) -> Awaitable[object]:
        topic = Topic.SERIES if batch is BatchKind.MARKS else Topic.SIGNALS  # stage 3 finds the anomalies that are marked
        return send_everywhere(self.topics[topic], batch, encode_bodies([body]))

    def _on_rebalance(self) -> None:
        @self.app.on_partitions_revoked.connect
        async def revoked(_app: object, revoked: set[TP], **_: object) -> None:
            for offsets in self.offsets.values():
                offsets.revoke(revoked)
            self.dead.drop(revoked)
            if self.assemble is not None:
                self.assemble.drop(revoked)
            if self.score is not None:
                self.score.drop(revoked)
            if self.act is not None:
                await self.act.release({tp.partition for tp in revoked if tp.topic == Topic.SIGNALS})
            await self.writer.settle()

        @self.app.on_partitions_assigned.connect
        async def assigned(_app: object, _assigned: object, **_: object) -> None:
            self.joined = True
            for offsets in self.offsets.values():
                offsets.assign()

    def routes(self) -> list[BaseRoute]:
        """What its parts answer over HTTP: alerts and repairs, where this process has them, and a log of its own."""
        routes: list[BaseRoute] = []
        if self.alerting is not None:
            routes += acting_routes(
                self.alerting, self._now, version("spanloom"), int(self._config.assemble.lateness * SECOND), self.store
            )
        if self._config.log_url.startswith("log:"):
            durable = self.app.transport.log
            routes += dead_letter_routes(LogDeadLetters(durable), self.store, LogPlace(durable), self.app.skips)
        return routes

    @property
    def rereads(self) -> int:
        """How often records were read again, for one before them had not come."""
        return int(self.app.consumer.rereads)

    @property
    def deleted_unread(self) -> dict[str, int]:
        """Offsets, by topic, that were deleted from the log before they were read."""
        return dict(self.app.consumer.deleted)

    async def __aenter__(self) -> Self:
        if self._client is not None:
            self._stack.push_async_callback(self._client.aclose)
        if self.heartbeat is not None:
            self._stack.push_async_callback(self.heartbeat.close)
        if self.alerting is not None and self.alerting.forwarder is not None:
            self._stack.push_async_callback(self.alerting.forwarder.close)
        self._stack.push_async_callback(self.writer.close)
        if self._on_kafka:
            self.app.skips.learn(await load_skips(client_settings(self.app)))
        await super().__aenter__()
        watches = [self.stalls.watch(), *([self.lag.watch(client_settings(self.app))] if self._on_kafka else [])]
        for watch in map(asyncio.create_task, watches):
            self._stack.push_async_callback(self._in_time, partial(_end, watch))
        if self.act is not None:
            self._stack.push_async_callback(self._in_time, self.act.release)
        if self.recorder is not None:  # before its environments are let go
            self._stack.push_async_callback(self._in_time, self.recorder.close)
        return self


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _group(stages: Sequence[str]) -> str:
    """The consumer group: workers that run the same stages share one.

    Faust assigns partitions by another scheme where there are tables, and members of a group must agree on it.
    """
    return "spanloom" if not stages or set(stages) == set(STAGES) else f"spanloom-{'-'.join(sorted(stages))}"


def changelog(table: str, stages: Sequence[str] = STAGES) -> str:
    """The topic that has what a table of workers of these stages keeps."""
    return f"{_group(stages)}-{table}-changelog"
