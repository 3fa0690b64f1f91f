"""A record between stages that cannot be read ends nothing, whoever wrote it, and one of a later release is not lost."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from alerting.playbooks.api.approval import Answer
from pipeline.dead_letters.limits import DeadLetterConfig, DeadLetters
from pipeline.dead_letters.unusable import usable_or_aside
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.exchange.inner_records import NewerRecordError, received
from pipeline.runtime.skips import Skips
from processors.assembly.edges import aggregate
from telemetry.documents import anomaly_document, edge_document
from telemetry.errors import DecodeError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from tests.pipeline.parts import APP, Event, KeepingTopic
from tests.processors.assembly.test_edges import B, hop

ALL = frozenset(BatchKind)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(), inner, max_size=5)),
    max_leaves=12,
)  # fmt: skip


def record(value: bytes, batch: BatchKind | None, offset: int = 7, **headers: bytes) -> Any:
    event = Event("spanloom-series", 1, offset, value, batch)
    event.headers |= {name.replace("_", "."): text for name, text in headers.items()}
    return event


@given(st.one_of(st.binary(max_size=40), json_values.map(orjson.dumps)), st.sampled_from(list(BatchKind)))
def test_whatever_a_record_holds_it_is_read_or_refused(value: bytes, batch: BatchKind) -> None:
    with contextlib.suppress(DecodeError):
        received(record(value, batch), ALL)


@pytest.mark.parametrize(
    ("batch", "value"),
    [
        (BatchKind.POINTS, b'{"series": [], "points": [[0, 1, 2.0]]}'),
        (BatchKind.POINTS, b'{"series": ["[\\"a\\", []]"], "points": [[0, "soon", 2.0]]}'),
        (BatchKind.LOGS, b'[["shop", "", "", 1.5, 9, "text", "", ""]]'),
        (BatchKind.LOG_REFERENCES, b'[["xy", "id", 1, 9]]'),
        (BatchKind.EDGES, b'[{"window": 5}]'),
        (BatchKind.ANOMALIES, b"[1]"),
        (BatchKind.ANSWERS, b'[{"who": "me"}]'),
        (BatchKind.SPANS, b"what is this?"),
    ],
)
def test_a_batch_that_no_stage_of_ours_writes_is_refused(batch: BatchKind, value: bytes) -> None:
    with pytest.raises(DecodeError):
        received(record(value, batch), ALL)


def test_a_record_without_its_header_and_one_of_another_topic_are_refused() -> None:
    with pytest.raises(DecodeError, match="no worker of Spanloom wrote this record"):
        received(record(b"[]", None), ALL)
    with pytest.raises(DecodeError, match="is no batch of ours"):
        received(record(b"[]", None, spanloom_batch=b"nonsense"), ALL)
    with pytest.raises(DecodeError, match="is no batch of this topic"):
        received(record(b"[]", BatchKind.ANSWERS), {BatchKind.POINTS})


def test_a_record_of_a_later_release_is_no_garbage() -> None:
    with pytest.raises(NewerRecordError, match="has format 2, and this release reads up to 1: upgrade"):
        received(record(b"?", None, spanloom_batch=b"a new batch", spanloom_format=b"2"), ALL)
    assert received(record(b"[]", BatchKind.LOGS, spanloom_format=b"1"), ALL) == (BatchKind.LOGS, [])
    with pytest.raises(DecodeError, match="is no number"):
        received(record(b"[]", BatchKind.LOGS, spanloom_format=b"9" * 5000), ALL)


class Around:
    """What a stage's agent has around it."""

    def __init__(self) -> None:
        self.topic = KeepingTopic()
        topic: Any = self.topic
        self.skips = Skips()
        self.dead = DeadLetters(topic, DeadLetterConfig(run=3), self.skips)
        self.offsets = OffsetTracker(APP, 100, values=False)
        self.taken: list[int] = []

    async def take(self, event: Any) -> None:
        await usable_or_aside(event, lambda: self._work(event), self.offsets, self.dead)

    def _work(self, event: Any) -> None:
        received(event, ALL)
        self.offsets.add(event)
        self.taken.append(event.message.offset)
        self.offsets.release(event.message.tp, (event.message.offset,))


async def test_what_cannot_be_read_is_a_dead_letter_with_its_place_and_is_acknowledged() -> None:
    around = Around()
    bad = record(b"what is this?", BatchKind.SPANS)
    await around.take(bad)
    (sent,) = around.topic.sent
    assert sent.value == b"what is this?"
    assert (sent.headers["spanloom.topic"], sent.headers["spanloom.partition"], sent.headers["spanloom.offset"]) == (
        b"spanloom-series", b"1", b"7",
    )  # fmt: skip
    assert sent.headers[HEADER] == b"spans", "it can be replayed"
    assert bad.acked
    await around.take(record(b"[]", BatchKind.LOGS, 8))
    assert around.taken == [8]


async def test_past_the_limit_the_partition_waits_until_a_person_skips_the_record() -> None:
    around = Around()
    for offset in range(3):
        await around.take(record(b"?", BatchKind.LOGS, offset))
    last = record(b"?", BatchKind.LOGS, 3)
    with capture_logs() as said:
        waiting = asyncio.ensure_future(around.take(last))
        await asyncio.sleep(0)
    assert [event["event"] for event in said] == ["partition_paused"]
    assert around.dead.paused == {last.message.tp: 3}
    around.skips.learn([(last.message.tp, 3)])
    await waiting
    assert last.acked
    assert len(around.topic.sent) == 4
    assert around.dead.paused == {}


async def test_a_record_of_a_later_release_waits_unacknowledged_until_its_partition_is_revoked() -> None:
    around = Around()
    newer = record(b"?", BatchKind.LOGS, spanloom_format=b"9")
    with capture_logs() as said:
        waiting = asyncio.ensure_future(around.take(newer))
        await asyncio.sleep(0)
    assert "upgrade this worker" in said[0]["reason"]
    around.offsets.revoke([newer.message.tp])
    await waiting
    assert not newer.acked
    assert around.topic.sent == []


async def test_a_failure_of_ours_is_no_dead_letter() -> None:
    around = Around()

    def fail() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await usable_or_aside(record(b"[]", BatchKind.LOGS), fail, around.offsets, around.dead)
    assert around.topic.sent == []


def written_by_our_stages() -> list[tuple[BatchKind, list[Any]]]:
    """Bodies as stages write them."""
    (edge,) = aggregate([hop(1, B)], 5).values()
    failing = Anomaly(AnomalyKind.ERRORS, Series("errors", ()), "shop", 1, 2, 0.95, 0.0, 0.5, "1", "why")
    document = anomaly_document(failing)
    return [
        (BatchKind.EDGES, [edge_document(edge, 3, "state", correction=correction).body for correction in (False, True)]),
        (BatchKind.ANOMALIES, [document.body | {"id": document.id}]),
        (BatchKind.ANSWERS, [asdict(Answer("i1", "5", "token", approved=True, who="me"))]),
        (BatchKind.SOURCES, [{"source": "127.0.0.1"}]),
    ]


@pytest.mark.parametrize(("batch", "bodies"), written_by_our_stages())
def test_what_our_stages_write_is_read(batch: BatchKind, bodies: list[Any]) -> None:
    assert received(record(codec.encode_bodies(bodies), batch), ALL) == (batch, orjson.loads(orjson.dumps(bodies)))
