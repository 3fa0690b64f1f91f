"""Two workers in stage 4, each with a partition: environments go where they belong, and settings to both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.learning import decode_traces, encode_traces
from pipeline.exchange.partitions import of_environment
from processors.root_cause.sampled_trace import sampled_trace
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError
from telemetry.metrics import Point, Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.pipeline.parts import Event, KeepingTopic
from tests.pipeline.test_act import SECOND, START
from tests.pipeline.test_environments import GLOBAL, RULES, TwoEnvironments, labels

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body

STAGING = next(name for name in ("staging", "test", "canary") if of_environment(name, 2) == 1)


class Worker(TwoEnvironments):
    """One of two, on the same topic of two partitions."""

    def __init__(self, folder: Path, topic: KeepingTopic, rules: str = RULES) -> None:
        super().__init__(folder, rules)
        self.partitions, self.signals = 2, EnvironmentTopic(topic)
        self._topic, self._read = topic, 0

    async def share(self, batch: BatchKind, body: Body) -> None:
        await self.signals.send_everywhere(batch, codec.encode_bodies([body]))

    async def read(self, owned: int) -> None:
        """Read what was sent to a partition, and let half a second pass."""
        for offset, sent in enumerate(self._topic.sent[self._read :], self._read):
            if sent.partition == owned:
                event = Event("spanloom-signals", owned, offset, sent.value, BatchKind(sent.headers[HEADER].decode()))
                self.log.append(event)
                self.stage.handle(event, self.offsets)
        self._read = len(self._topic.sent)
        await self.stage.tick()


class Two:
    """Both, and what comes to them."""

    def __init__(self, folder: Path, rules: str = RULES) -> None:
        self.topic = KeepingTopic(2)
        self.first, self.second = (Worker(folder, self.topic, rules) for _ in range(2))

    async def begin(self) -> None:
        for partition, worker in enumerate((self.first, self.second)):
            await worker.begin(partition)

    async def pass_time(self, seconds: int, **depths: float) -> None:
        for _ in range(seconds):
            for worker in (self.first, self.second):
                worker.time += SECOND
            points = [Point(Series("queue_depth", labels(name)), self.first.time, depth) for name, depth in depths.items()]
            await asyncio.gather(*self.first.signals.send_all(BatchKind.POINTS, points))
            await self.first.read(0)
            await self.second.read(1)


@pytest.fixture
async def two(tmp_path: Path) -> Two:
    made = Two(tmp_path)
    await made.begin()
    return made


async def test_each_worker_has_the_environments_of_its_partition(two: Two) -> None:
    await two.pass_time(5, default=1.0, **{STAGING: 50.0})
    assert two.first.firing() == {DEFAULT_ENVIRONMENT: []}
    assert two.second.firing() == {STAGING: ["Deep"]}


async def test_what_a_release_that_knew_one_environment_sent_goes_on_to_its_partition(two: Two) -> None:
    point = Point(Series("queue_depth", labels(STAGING)), START + SECOND, 50.0)
    await two.first.signals._send(0, BatchKind.POINTS, codec.encode_points([point]))
    await two.pass_time(3, default=1.0)
    assert list(two.first.stage.environments) == [DEFAULT_ENVIRONMENT]
    await two.pass_time(2, **{STAGING: 50.0})
    times, _ = two.second.of(STAGING).engine.samples.select(())[0].times, None
    assert START + SECOND in list(times)


async def test_rules_over_all_environments_are_evaluated_at_one_worker_on_the_series_of_both(tmp_path: Path) -> None:
    two = Two(tmp_path, GLOBAL)
    await two.begin()
    await two.pass_time(6, default=35.0, **{STAGING: 50.0})
    assert two.first.firing() == {DEFAULT_ENVIRONMENT: ["Deep"], "*": ["DeepTogether", "DeepSomewhere"]}
    assert two.second.firing() == {STAGING: ["Deep"]}
    await two.pass_time(90, default=35.0, **{STAGING: 50.0})
    assert two.second.log[0].acked, "what is passed on in every record holds none for ever"
    assert two.first.log[0].acked


async def test_a_silence_that_one_worker_takes_mutes_at_the_other_and_its_end_ends_it(two: Two) -> None:
    await two.pass_time(2, default=1.0, **{STAGING: 1.0})
    body = {
        "matchers": [{"name": "alertname", "value": "Deep", "isRegex": False}],
        "startsAt": "2023-11-14T00:00:00Z", "endsAt": "2033-11-14T00:00:00Z", "createdBy": "ann", "comment": "",
    }  # fmt: skip
    given = two.first.client.post("/api/v2/silences", json=body).json()["silenceID"]
    await two.pass_time(5, default=1.0, **{STAGING: 50.0})
    assert [each["id"] for each in two.second.client.get("/api/v2/silences").json()] == [given]
    assert two.second.pager.got == []
    await two.second.crash()
    await two.second.begin(1)
    assert [each["id"] for each in two.second.client.get("/api/v2/silences").json()] == [given]
    assert two.second.client.delete(f"/api/v2/silence/{given}").status_code == 200
    await two.pass_time(10, default=1.0, **{STAGING: 50.0})
    (ended,) = two.first.client.get("/api/v2/silences").json()
    assert ended["status"]["state"] == "expired"
    assert two.second.pager.got == [("firing", ["Deep"])]


async def test_rules_over_http_hold_at_both_and_are_gone_at_both(two: Two) -> None:
    await two.pass_time(2, default=1.0, **{STAGING: 1.0})
    body, yaml = "name: g\ninterval: 1s\nrules:\n- {alert: Shallow, expr: max(queue_depth) < 5}\n", "application/yaml"
    assert two.second.client.post("/api/v1/rules/ours", content=body, headers={"content-type": yaml}).status_code == 202
    await two.pass_time(3, default=1.0, **{STAGING: 1.0})
    assert two.first.firing() == {DEFAULT_ENVIRONMENT: ["Shallow"]}
    assert two.first.client.delete("/api/v1/rules/ours").status_code == 202
    await two.pass_time(3, default=1.0, **{STAGING: 1.0})
    assert two.second.firing() == {STAGING: []}


async def test_repairs_that_one_worker_is_told_to_stop_are_stopped_at_both_and_go_on_at_both(two: Two) -> None:
    await two.pass_time(2, default=1.0, **{STAGING: 1.0})
    for step, expected in (("stop", "anonymous"), ("resume", "")):
        assert two.first.client.post(f"/api/v1/healing/{step}", json={}).status_code == 200
        await two.pass_time(1, default=1.0, **{STAGING: 1.0})
        stopped = [worker.client.get("/api/v1/healing").json()["stopped_by"] for worker in (two.first, two.second)]
        assert [bool(name) for name in stopped] == [bool(expected)] * 2


@pytest.mark.parametrize(
    "settings",
    [
        {"silences": [{"id": "x"}]},
        {"silences": [silence := {"id": "x", "matchers": [["a", "?", "b"]], "starts_at": 0, "ends_at": 9, "updated_at": 1,
                                  "created_by": "", "comment": ""}]},
        {"silences": [silence | {"matchers": [["a", "=~", "("]]}]},
        {"silences": [silence | {"matchers": [["a", "=", ""]]}]},
        {"switches": [{"environment": 5, "stopped_by": "", "by": "", "at": 0}]},
        {"rules": [{"namespace": "n", "changed_at": -1, "groups": {}}]},
    ],
)  # fmt: skip
async def test_settings_that_nobody_of_ours_sent_are_refused_and_change_nothing(two: Two, settings: Body) -> None:
    event: Any = Event("spanloom-signals", 0, 0, codec.encode_bodies([settings]), BatchKind.SETTINGS)
    with pytest.raises(InputError):
        two.first.stage.handle(event, two.first.offsets)
    assert list(two.first.settings.silences) == []
    assert two.first.offsets.in_flight == 0


async def test_a_trace_through_two_environments_is_divided_and_otherwise_stays_whole() -> None:
    topic = KeepingTopic(2)
    signals = EnvironmentTopic(topic)
    here, there = (Resource({"service.name": "web", "deployment.environment.name": name}) for name in ("default", STAGING))
    trace = [
        Span(b"t" * 16, bytes([number] * 8), b"", "GET", SpanKind.SERVER, START, START + 1, resource)
        for number, resource in enumerate((here, here, there), 1)
    ]
    whole = [sampled_trace(trace)]
    await asyncio.gather(*signals.pass_on(BatchKind.TRACES, whole, encode_traces(whole)))
    parts = {sent.partition: [len(found.visits) for found in decode_traces(sent.value)] for sent in topic.sent}
    assert parts == {0: [2], 1: [1]}
    topic.sent.clear()
    here_alone = [sampled_trace(trace[:2])]
    value = encode_traces(here_alone)
    await asyncio.gather(*signals.pass_on(BatchKind.TRACES, here_alone, value))
    assert [(sent.partition, sent.value) for sent in topic.sent] == [(0, value)], "as it came"
