"""Stage 4 over crashes, repairs and a store that is down."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alerts import KEEP_RESOLVED
from alerting.notify.sender import Sender
from alerting.playbooks.api.approval import Answer
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.trust import Trust
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import HOUR
from pipeline.act import MAX_ANSWERS, ActStage
from pipeline.acting.alerting import Alerting
from pipeline.acting.api import routes
from pipeline.acting.config import ActConfig, ActCounts
from pipeline.acting.environment import Environment
from pipeline.acting.settings import AlertingSettings
from pipeline.delivery import background_writer
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from processors.series.derived import CULPRIT_SCORE
from spanloom.components import NOTIFIERS
from telemetry.documents import Kind, anomaly_document
from telemetry.environment import EVERY_ENVIRONMENT, environment_labels
from telemetry.errors import OverloadedError, StoreError
from telemetry.findings import Anomaly, AnomalyKind, Suspect
from telemetry.metrics import Point, Series
from tests.alerting.playbooks.world import PLAYBOOK, Alert, Processes, playbooks, verbs
from tests.pipeline.parts import APP, Event, KeepingTopic, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alerting.notify.notification import Notification
    from pipeline.state.table import StageTable
    from stores.store import Written
    from telemetry.documents import Body, Document

SECOND = 10**9
START = 1_700_000_000 * SECOND
RULES = """
groups:
- name: depths
  interval: 5s
  rules:
  - record: depth:max
    expr: max(queue_depth)
  - alert: DeepForLong
    expr: avg_over_time(depth:max[10m]) > 10
    labels: {service: queue}
"""
DIRECT = """
groups:
- name: depths
  interval: 1s
  rules:
  - {alert: Deep, expr: "max_over_time(queue_depth[2s]) > 10", labels: {service: queue}}
"""
RECORDED = """
groups:
- name: depths
  interval: 1s
  rules:
  - {record: depth, expr: max(queue_depth)}
  - {alert: Deep, expr: "max_over_time(depth[2s]) > 10", labels: {service: queue}}
"""
RECEIVERS = """
route: {receiver: on-call, group_wait: 0s, group_interval: 5s}
receivers:
- name: on-call
  webhook_configs: [{url: "http://127.0.0.1:1/"}]
"""


ONE_PARTITION = EnvironmentTopic(KeepingTopic(1))


class Table:
    """The table that survives a crash: plain data only."""

    def __init__(self, values: dict[tuple[int, str, str], bytes] | None = None, environment: str = "default") -> None:
        self._values = {} if values is None else values
        self._environment = environment

    def scoped(self, environment: str) -> Table:
        return Table(self._values, environment)

    def load(self, partition: int, name: str) -> Body | None:
        value = self._values.get((partition, self._environment, name))
        return None if value is None else orjson.loads(value)

    async def save(self, partition: int, name: str, value: Body) -> None:
        self._values[partition, self._environment, name] = orjson.dumps(value)


class Pager:
    """Takes every notification."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str]]] = []

    async def send(self, notification: Notification) -> None:
        self.got.append((notification.status, [alert.labels["alertname"] for alert in notification.alerts]))

    async def close(self) -> None:
        pass


class DownStore(MemoryStore):
    """A store that can be down."""

    down = False

    async def write(self, documents: Sequence[Document]) -> Written:
        if self.down:
            raise StoreError("down")
        return await super().write(documents)


class FixedCulprits:
    """Ranks as it is told."""

    def __init__(self) -> None:
        self.dropped: dict[str, int] = {}
        self.ranking: tuple[Suspect, ...] = ()

    def add_points(self, points: Any) -> None:
        pass

    def add_trace(self, spans: Any, now: int) -> None:
        pass

    def rank(self, _now: int) -> tuple[Suspect, ...]:
        return self.ranking


class World:
    """One worker after another on the same log, table, store and pager."""

    partitions, signals = 1, ONE_PARTITION

    def __init__(self, folder: Path, rules: str = RULES, plan: str = PLAYBOOK, look_back: float = 60) -> None:
        self._folder, self._rules, self._plan = folder, rules, plan
        self._config = ActConfig(look_back=look_back)
        self.time = START
        self.table, self.store, self.pager, self.processes = Table(), DownStore(), Pager(), Processes()
        self.log: list[Event] = []

    async def begin(self, partition: int = 0) -> None:
        """Start a worker: it reads again what was not acknowledged."""
        self.writer = DocumentWriter(self.store, NoRejects())
        config = parse_config(RECEIVERS, "receivers.yml", NOTIFIERS)
        self.settings = AlertingSettings(
            parse_rules(self._rules, "rules.yml"),
            config,
            playbooks(self._folder, self._plan),
            lambda config: dict.fromkeys(config.receivers, self.pager),
            Trust((), HOUR),
            lambda: self.time,
            self.share,
            self.partitions,
        )
        self.culprits = FixedCulprits()
        table: Any = self.table
        self.stage = ActStage(
            self._config,
            ActCounts(),
            self.environment,
            self.writer,
            table,
            lambda: self.time,
            self.signals,
            self.settings,
            **self.stage_options(),
        )
        self.offsets = OffsetTracker(APP, 100_000)
        await self.stage.own(partition)
        for event in [event for event in self.log if not event.acked]:
            self.stage.handle(event, self.offsets)

    def stage_options(self) -> dict[str, Any]:
        return {}

    def environment(self, name: str, state: StageTable) -> Environment:
        """One environment of the worker, as `AlertingFactory` builds it; all call for the same processes."""
        labels = dict(environment_labels(name))
        engine = AlertEngine(alert_labels=labels, is_global=name == EVERY_ENVIRONMENT)
        self.settings.rules.attach(engine)
        manager = Alertmanager(self.settings.receivers, "http://console", self.settings.silences, labels)
        sender = Sender(self.settings.notifiers(self.settings.receivers), lambda: self.time)
        healer = Healer(
            self.settings.playbooks,
            verbs(self.processes),
            self.processes.query,
            environment=name,
            calls=manager.calls,
            trust=self.settings.trust,
        )
        alerting = Alerting(
            name, engine, manager, sender, healer, state, self.writer, lambda: self.time, b"", self.settings.counts
        )
        culprits: Any = self.culprits
        counts, marks = self.stage.counts, self.settings.marks
        return Environment(name, self._config, counts, culprits, state, lambda: self.time, alerting, marks)

    @property
    def alerting(self) -> Alerting:
        """Of the default environment."""
        alerting = self.stage.environments["default"].alerting
        assert alerting is not None
        return alerting

    @property
    def engine(self) -> AlertEngine:
        """Of the default environment."""
        return self.alerting.engine

    @property
    def client(self) -> TestClient:
        """Of the worker's API."""
        return TestClient(Starlette(routes=routes(self.settings, lambda: self.time, "test")))

    async def share(self, batch: BatchKind, body: Body) -> None:
        self.feed(batch, codec.encode_bodies([body]))

    async def crash(self) -> None:
        """kill -9: what was under way ends where it is."""
        for environment in self.stage.environments.values():
            assert environment.alerting is not None
            await environment.alerting.sender.stop()
        await self.writer.close()

    def feed(self, batch: BatchKind, value: bytes) -> None:
        event = Event("spanloom-signals", 0, len(self.log), value, batch)
        self.log.append(event)
        self.stage.handle(event, self.offsets)

    async def seconds(self, count: int, depth: float) -> None:
        for _ in range(count):
            self.time += SECOND
            self.feed(BatchKind.POINTS, codec.encode_points([Point(Series("queue_depth", ()), self.time, depth)]))
            await self.stage.tick()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def anomaly(self, service: str, start: int) -> None:
        found = Anomaly(AnomalyKind.ERRORS, Series("errors", ()), service, start, start + SECOND, 0.95, 0.0, 0.5, "1", "why")
        document = anomaly_document(found)
        self.feed(BatchKind.ANOMALIES, codec.encode_bodies([document.body | {"id": document.id}]))


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    await made.begin()
    return made


async def test_records_are_held_for_what_rules_and_recordings_read_before_the_last_save(world: World) -> None:
    await world.seconds(1400, 1.0)
    held = [event for event in world.log if not event.acked]
    resumes_at = world.alerting.saved_event_time
    assert world.time - resumes_at < 10 * SECOND
    assert resumes_at - held[0].message.offset * SECOND - START == pytest.approx(2 * 600 * SECOND, abs=2 * SECOND)


@pytest.mark.parametrize("rules", [DIRECT, RECORDED])
@pytest.mark.parametrize("after", range(1, 13))
async def test_an_alert_goes_on_firing_however_long_after_the_last_save_the_crash_comes(
    tmp_path: Path, after: int, rules: str
) -> None:
    world = World(tmp_path, rules, look_back=2)
    await world.begin()
    await world.seconds(10, 1.0)
    await world.seconds(after, 50.0)
    (began,) = {alert.active_at for alert in world.engine.active()}
    await world.crash()
    await world.begin()
    await world.seconds(3, 50.0)
    assert {alert.active_at for alert in world.engine.active()} == {began}
    assert world.pager.got == [("firing", ["Deep"])]


async def test_a_rule_over_recorded_series_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    worlds = [World(tmp_path), World(tmp_path)]
    for number, world in enumerate(worlds):
        await world.begin()
        await world.seconds(500, 30.0)
        await world.seconds(300, 1.0)
        if number:
            await world.crash()
            await world.begin()
        await world.seconds(10, 1.0)
    undisturbed, crashed = (world.engine.query("avg_over_time(depth:max[10m])", world.time) for world in worlds)
    assert crashed == undisturbed
    assert undisturbed[0][1] > 10, "the alert still fires"
    assert worlds[0].pager.got == worlds[1].pager.got == [("firing", ["DeepForLong"])]
    for world in worlds:
        await world.seconds(300, 1.0)
        assert world.pager.got == [("firing", ["DeepForLong"]), ("resolved", ["DeepForLong"])]
        changes = [document for (kind, _), document in world.store.documents.items() if kind is Kind.ALERT]
        assert [change.body["state"] for change in changes] == ["firing", "resolved"]


async def test_points_of_a_clock_that_is_ahead_blind_no_rule(world: World) -> None:
    await world.seconds(5, 1.0)
    for ahead in (300, 86_400 * 365):
        point = Point(Series("clock_is_wrong", ()), world.time + ahead * SECOND, 1.0)
        world.feed(BatchKind.POINTS, codec.encode_points([point]))
    await world.seconds(5, 2.0)
    assert world.engine.query("queue_depth", world.time) == [({"__name__": "queue_depth"}, 2.0)]
    assert (world.stage.counts.points_too_new, world.engine.samples.newest) == (1, world.time)


async def test_a_ranking_is_seen_by_rules_after_a_crash_and_not_made_again(world: World) -> None:
    await world.seconds(5, 1.0)
    world.culprits.ranking = (Suspect("db", 3.0), Suspect("web", 1.0))
    world.anomaly("db", world.time)
    await world.seconds(5, 1.0)
    scores = world.engine.query(CULPRIT_SCORE, world.time)
    assert {labels["service"]: value for labels, value in scores} == {"db": 3.0, "web": 1.0}
    await world.crash()
    await world.begin()
    world.culprits.ranking = (Suspect("web", 9.0),)
    await world.seconds(30, 1.0)
    assert world.engine.query(CULPRIT_SCORE, world.time) == scores
    assert world.stage.counts.rankings == 0


async def test_what_a_repair_explains_asks_for_no_ranking_and_what_is_new_does(world: World) -> None:
    world.alerting.alertmanager.see_calls([("web", "db")], START)
    world.alerting.runner.healer.traffic.add("db", 10, START + SECOND)
    world.alerting.runner.healer.traffic.add("web", 90, START + SECOND)
    await world.seconds(5, 1.0)
    await world.alerting.runner.on_alert(firing("db", world.time))
    await world.alerting.runner.advance()
    world.culprits.ranking = (Suspect("web", 3.0),)
    world.anomaly("web", world.time)
    await world.seconds(2, 1.0)
    assert world.stage.counts.rankings == 0
    await world.seconds(20, 1.0)
    assert not world.alerting.runner.healer.incidents, "the repair is over"
    world.anomaly("web", START + 8 * SECOND)
    await world.seconds(2, 1.0)
    assert world.stage.counts.rankings == 0, "it is about the time of the repair"
    world.anomaly("web", world.time)
    await world.seconds(2, 1.0)
    assert world.stage.counts.rankings == 1


async def test_an_alert_of_a_service_asks_for_a_ranking(world: World) -> None:
    world.culprits.ranking = (Suspect("queue", 3.0),)
    await world.seconds(20, 50.0)
    assert world.stage.counts.rankings == 1


async def test_alerts_reach_on_call_while_the_store_is_down_and_their_documents_come_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_writer, "WAIT_SECONDS", 0.01)
    world.store.down = True
    await world.seconds(20, 50.0)
    assert world.pager.got == [("firing", ["DeepForLong"])]
    assert not world.store.documents
    world.store.down = False
    async with asyncio.timeout(60):
        while not {Kind.ALERT, Kind.AUDIT, Kind.NOTIFICATION} <= {kind for kind, _ in world.store.documents}:
            await asyncio.sleep(0.1)  # the writer waits a second before it tries again
            await world.seconds(1, 50.0)


async def test_alerts_that_others_post_are_reported_though_no_telemetry_came(world: World) -> None:
    client = world.client
    assert client.post("/api/v2/alerts", json=[{"labels": {"alertname": "FromPrometheus"}}]).status_code == 200
    world.time += SECOND
    await world.stage.tick()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert world.pager.got == [("firing", ["FromPrometheus"])]
    world.time += KEEP_RESOLVED
    await world.stage.tick()


async def test_answers_that_came_to_another_worker_are_checked_bounded_and_stop_nothing(world: World) -> None:
    answer = Answer("i1", "1", "forged", approved=True, who="mallory")
    world.feed(BatchKind.ANSWERS, codec.encode_bodies([asdict(answer)] * (MAX_ANSWERS + 1)))
    assert world.stage.counts.answers_dropped == 1
    await world.stage.tick()
    await world.stage.release()
    assert await world.settings.approvals.answer(answer) is False, "passed on"
    assert world.log[-1].headers == {HEADER: BatchKind.ANSWERS.value.encode()}


async def test_a_process_that_does_not_own_the_environment_says_so(world: World) -> None:
    client, alerting = world.client, world.alerting
    await world.stage.release()
    for path in ("/api/v2/alerts", "/api/v1/rules", "/api/v1/healing"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    with pytest.raises(OverloadedError):
        await alerting.save()
    with pytest.raises(OverloadedError):
        await world.settings.save_rules()
    await world.stage.own(0)
    assert client.get("/api/v1/rules").json()["data"]["groups"][0]["name"] == "depths"


def firing(service: str, time: int) -> Any:
    return Alert(service, starts_at=time)
