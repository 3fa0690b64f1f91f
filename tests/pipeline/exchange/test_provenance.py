"""Stage 4 hears of a source before anything that comes of its telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from alerting.rules.book import RuleBook
from alerting.rules.files import parse_rules
from components.sender import HEADER, MAX_SENDER
from pipeline.exchange.codec import BatchKind, decode_bodies, encode_bodies
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.provenance import ANNOUNCE_EVERY, MAX_SOURCES, Sources
from pipeline.runtime.kafka_access import KafkaConfig
from telemetry.findings import Suspect
from tests.pipeline.parts import Event, KeepingTopic
from tests.pipeline.test_act import START, World

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    time = START

    def __call__(self) -> int:
        return self.time


def record(sender: bytes | None) -> Event:
    event = Event("otlp_spans", 0, 0)
    event.headers = {} if sender is None else {HEADER: sender}
    return event


def announced(topic: KeepingTopic) -> list[str]:
    return [body["source"] for sent in topic.sent for body in decode_bodies(sent.value)]


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (b"loopback", "loopback"),
        (b"token:checkout", "token:checkout"),
        (b"anonymous", "anonymous"),
        (None, "kafka"),
        (b"", "anonymous"),
        (b"kafka", "anonymous"),
        (b"admin", "anonymous"),
        (b"\xff\xfe", "anonymous"),
        (b"token:a b", "anonymous"),
        (b"token:" + b"x" * MAX_SENDER, "anonymous"),
    ],
)
async def test_the_source_is_the_sender_and_what_is_no_sender_is_anonymous(header: bytes | None, source: str) -> None:
    topic = KeepingTopic(1)
    await Sources(EnvironmentTopic(topic), Clock(), "kafka").announce(record(header))
    assert announced(topic) == [source]


async def test_a_source_that_goes_on_to_send_is_announced_once_in_a_while() -> None:
    topic, clock = KeepingTopic(1), Clock()
    sources = Sources(EnvironmentTopic(topic), clock, "kafka")
    for _ in range(100):
        await sources.announce(record(b"loopback"))
    await sources.announce(record(b"anonymous"))
    assert announced(topic) == ["loopback", "anonymous"]
    clock.time += ANNOUNCE_EVERY
    await sources.announce(record(b"anonymous"))
    clock.time -= 10 * ANNOUNCE_EVERY  # a clock that goes back silences nobody
    await sources.announce(record(b"anonymous"))
    assert announced(topic)[2:] == ["anonymous", "anonymous"]


async def test_sources_beyond_the_bound_are_announced_again_rather_than_forgotten() -> None:
    topic = KeepingTopic(1)
    sources = Sources(EnvironmentTopic(topic), Clock(), "kafka")
    for number in range(MAX_SOURCES + 1):
        await sources.announce(record(f"token:{number}".encode()))
    await sources.announce(record(b"token:0"))
    assert announced(topic)[-1] == "token:0"
    assert len(topic.sent) == MAX_SOURCES + 2


async def test_an_announcement_that_is_not_on_the_log_holds_the_record_back() -> None:
    class Failing(KeepingTopic):
        async def send(self, **_: Any) -> Any:
            raise ConnectionError("no broker")

    with pytest.raises(ConnectionError):
        await Sources(EnvironmentTopic(Failing()), Clock(), "kafka").announce(record(b"anonymous"))


async def test_stage_4_holds_an_announcement_until_it_is_saved_and_knows_it_after_a_crash(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.begin()
    world.feed(BatchKind.SOURCES, encode_bodies([{"source": "anonymous"}]))
    assert not world.log[-1].acked
    await world.stage.tick()
    assert world.log[-1].acked
    assert "anonymous" in world.alerting.runner.healer.trust.doubt("")
    await world.crash()
    await world.begin()
    assert "anonymous" in world.alerting.runner.healer.trust.doubt("")


async def test_after_a_crash_before_that_it_is_read_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.begin()
    world.feed(BatchKind.SOURCES, encode_bodies([{"source": "anonymous"}]))
    await world.crash()
    await world.begin()
    assert "anonymous" in world.alerting.runner.healer.trust.doubt("")


@pytest.mark.parametrize(
    ("url", "settings", "is_open"),
    [
        ("kafka://127.0.0.1:9092", {}, False),
        ("kafka://localhost:9092;[::1]:9093", {}, False),
        ("log:///data", {}, False),
        ("kafka://kafka:9092", {}, True),
        ("kafka://localhost:9092;10.0.0.7:9092", {}, True),
        ("kafka://kafka:9092", {"tls": True}, True),
        ("kafka://kafka:9092", {"cert_file": "client.pem"}, False),
        ("kafka://kafka:9092", {"sasl_mechanism": "PLAIN", "username": "u", "password": "p"}, False),
    ],
)
def test_kafka_is_open_where_it_asks_nobody_and_is_not_of_this_machine_alone(
    url: str,
    settings: dict[str, Any],
    is_open: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert KafkaConfig(**settings).is_open(url) is is_open


RECORDING = "name: g\nrules:\n- record: spanloom_culprit_score\n  expr: vector(9)\n"
ALERTING = "name: g\nrules:\n- alert: X\n  expr: vector(9)\n"


@pytest.mark.parametrize(
    ("of_files", "asked", "posted", "writes"),
    [
        ("up == 0", 'healthy{service="$service"} > 0', RECORDING, True),
        ("up == 0", 'healthy{service="$service"} > 0', ALERTING, False),
        ('ALERTS{alertname="X"}', "up", ALERTING, True),
        ('{__name__=~"AL.*"}', "up", ALERTING, True),
        ("up == 0", 'ALERTS_FOR_STATE{service="$service"} > 0', ALERTING, True),
        ("up == 0", '{__name__="$metric"} > 0', ALERTING, True),
    ],
)
def test_rules_over_http_feed_where_they_write_what_others_read(
    of_files: str,
    asked: str,
    posted: str,
    writes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rules = f"groups:\n- name: files\n  rules:\n  - alert: A\n    expr: {orjson.dumps(of_files).decode()}\n"
    book = RuleBook(files=parse_rules(rules, "rules.yml"))
    assert book.writers([asked]) == frozenset()
    book.set("evil", posted)
    assert book.writers([asked]) == (frozenset({"evil"}) if writes else frozenset())


async def test_series_that_a_rule_over_http_records_keep_repairs_from_starting_by_themselves(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.begin()
    world.settings.rules.set("evil", RECORDING)
    await world.seconds(1, 1.0)
    assert "api-rules:evil" in world.alerting.runner.healer.trust.doubt("")
    world.settings.rules.remove("evil")
    await world.seconds(30, 1.0)
    assert "api-rules:evil" in world.alerting.runner.healer.trust.doubt(""), "what it recorded is still there"


async def test_rules_do_not_see_a_ranking_that_only_a_rule_over_http_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.begin()
    world.culprits.ranking = (Suspect("cart", 3.0),)
    world.settings.rules.set(
        "evil", "name: g\ninterval: 1s\nrules:\n- alert: X\n  expr: vector(9)\n  labels: {service: cart}\n"
    )
    await world.seconds(30, 1.0)
    assert world.stage.counts.rankings
    assert world.engine.query("spanloom_culprit_score", world.time) == []
