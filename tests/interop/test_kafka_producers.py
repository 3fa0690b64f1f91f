"""Producers that are not ours, on a real Kafka: what they write is found as spans, logs and points, or as dead letters."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from google.protobuf import json_format

from telemetry import otlp
from telemetry.metrics import DataPoint, Metric, MetricType
from tests.generated import START, logs, traces
from tests.system.exactness import QUICK
from tests.system.processes import Up
from tests.telemetry.other_formats.test_foreign_spans import TRACE, jaeger_json, jaeger_proto, zipkin_json, zipkin_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE = 60.0
COMPRESSIONS = (None, "gzip", "snappy", "lz4", "zstd")


@pytest.fixture(scope="module")
def up(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything in one process, on Kafka."""
    folder: Path = tmp_path_factory.mktemp("up")
    settings = {
        "SPANLOOM_LOG": f"kafka://{kafka}",
        "SPANLOOM_DEAD_LETTERS__RUN": "5",
        "SPANLOOM_KAFKA__COMPRESSION": "zstd",
    }
    up = Up(folder, **QUICK, **settings)
    up.start()
    try:
        up.wait_ready(150)
        yield up
    finally:
        up.stop()


async def produce(kafka: str, topic: str, *values: bytes, key: bytes | None = None, compression: str | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, compression_type=compression, max_request_size=4 << 20)
    async with producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=key, partition=0)


async def find(up: Up, kind: str, count: int, **where: str) -> list[dict[str, Any]]:
    """So many documents, as soon as they are there."""
    parameters = {"kind": kind, "where": [f"{field}:{value}" for field, value in where.items()]}
    async with httpx2.AsyncClient(timeout=20) as client:
        return await until(lambda: client.get(f"{up.console}/api/v1/find", params=parameters), count)


async def until(ask: Callable[[], Any], count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await ask()
            if answer.is_success and len(answer.json()) >= count:
                found: list[dict[str, Any]] = answer.json()
                return found
            await asyncio.sleep(0.2)


async def metrics(up: Up) -> str:
    return (await asyncio.to_thread(httpx2.get, f"{up.console}/metrics")).text


def dlq(kafka: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "spanloom.cli", "dlq", *arguments],
        env={**os.environ, "SPANLOOM_LOG": f"kafka://{kafka}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


async def dead_letters(kafka: str, topic: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        while True:
            lines = (await asyncio.to_thread(dlq, kafka, "list", "--json")).splitlines()
            found = [letter for letter in map(json.loads, lines) if letter["topic"] == topic]
            if len(found) >= count:
                return found


def as_json(signal: otlp.Signal, request: bytes) -> bytes:
    """The request as `otlp_json` has it: ids in hex, else protobuf's own JSON."""
    body = json_format.MessageToDict(otlp.parse(signal, request), use_integers_for_enums=True)

    def in_hex(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: base64.b64decode(item).hex() if key in {"traceId", "spanId", "parentSpanId"} else in_hex(item)
                for key, item in value.items()
            }
        return [in_hex(item) for item in value] if isinstance(value, list) else value

    return orjson.dumps(in_hex(body))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("keyed", [True, False])
async def test_requests_of_the_collectors_exporter_are_accepted_in_every_compression(
    kafka: str, up: Up, compression: str | None, *, keyed: bool
) -> None:
    (spans,) = traces(1, seed=100 + 2 * COMPRESSIONS.index(compression) + keyed)
    request = otlp.encode_spans(spans)
    value = as_json("spans", request) if keyed else request
    await produce(kafka, "otlp_spans", value, key=spans[0].trace_id.hex().encode() if keyed else None, compression=compression)
    assert len(await find(up, "span", 12, trace_id=spans[0].trace_id.hex())) == 12


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_what_we_produce_is_read_by_us_and_by_other_clients_in_every_compression(
    kafka: str, up: Up, tmp_path: Path, compression: str | None
) -> None:
    (spans,) = traces(1, seed=200 + COMPRESSIONS.index(compression))
    request = otlp.encode_spans(spans)
    file = tmp_path / "request"
    file.write_bytes(request)
    settings = {
        "SPANLOOM_LOG": f"kafka://{kafka}",
        "SPANLOOM_DATA_DIR": str(tmp_path),
        "SPANLOOM_KAFKA__COMPRESSION": compression or "none",
    }
    command = [sys.executable, "-m", "tests.interop.produce", str(file)]
    await asyncio.to_thread(subprocess.run, command, env={**os.environ, **settings}, check=True, timeout=PATIENCE)
    async with AIOKafkaConsumer("otlp_spans", bootstrap_servers=kafka, auto_offset_reset="earliest") as other:
        async with asyncio.timeout(PATIENCE):
            while (record := await other.getone()).value != request:
                pass
    assert record.headers == (("a", b"header"),)
    assert len(await find(up, "span", 12, trace_id=spans[0].trace_id.hex())) == 12


async def test_logs_and_metrics_are_accepted_in_both_encodings(kafka: str, up: Up) -> None:
    (spans,) = traces(1, seed=77)
    records = logs(spans)
    requests = [otlp.encode_logs(records[:1]), as_json("logs", otlp.encode_logs(records[1:]))]
    await produce(kafka, "otlp_logs", *requests)
    points = [
        otlp.encode_metrics([Metric(name, MetricType.GAUGE, (DataPoint(START, value=1.5),), spans[0].resource)])
        for name in ("kafka.a", "kafka.b")
    ]
    await produce(kafka, "otlp_metrics", points[0], as_json("metrics", points[1]))
    assert len(await find(up, "log", len(records), trace_id=spans[0].trace_id.hex())) == len(records)
    for name in ("kafka.a", "kafka.b"):
        assert (await find(up, "metric", 1, name=name))[0]["value"] == 1.5


async def test_spans_of_jaeger_and_zipkin_come_by_topics_of_their_own(kafka: str, up: Up) -> None:
    await send_foreign_spans(kafka, up)


async def send_foreign_spans(kafka: str, up: Up) -> None:
    await produce(kafka, "jaeger_spans", jaeger_proto(), key=TRACE.hex().encode(), compression="zstd")
    await produce(kafka, "jaeger_spans", jaeger_json().replace(b"cart", b"trac"), compression="snappy")
    await produce(kafka, "zipkin_spans", zipkin_proto(), compression="gzip")
    await produce(kafka, "zipkin_spans", zipkin_json(), compression="lz4")
    assert {body["name"] for body in await find(up, "span", 1, trace_id=TRACE.hex())} == {"GET /buy"}
    zipkin = await find(up, "span", 2, trace_id=(bytes(8) + TRACE[8:]).hex())
    assert {body["resource"]["attributes"]["service.name"] for body in zipkin} == {"cart", "bank"}


async def test_the_valid_spans_of_a_partly_bad_request_are_kept_and_it_is_a_dead_letter(kafka: str, up: Up) -> None:
    (spans,) = traces(1, seed=78)
    request = otlp.parse("spans", otlp.encode_spans(spans))
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b"short"
    await produce(kafka, "otlp_spans", request.SerializeToString())
    assert len(await find(up, "span", 11, trace_id=spans[0].trace_id.hex())) == 11
    (letter,) = [one for one in await dead_letters(kafka, "otlp_spans", 1) if "dropped" in one["reason"]]
    assert (letter["partition"], letter["bytes"]) == (0, request.ByteSize())
    assert "resource_spans[0].scope_spans[0].spans[0].span_id: must be an id of 8 bytes" in letter["reason"]
    assert "1 of 12 spans dropped, the others kept" in letter["reason"]


async def test_a_batch_over_the_limit_is_split_and_a_single_span_over_it_is_cut(kafka: str, up: Up) -> None:
    many = [span for trace in traces(120, seed=79) for span in trace]
    (spans,) = traces(1, seed=80)
    request = otlp.parse("spans", otlp.encode_spans(spans))
    huge = request.resource_spans[0].scope_spans[0].spans[0]
    huge.attributes.add(key="huge").value.string_value = "x" * 2_000_000
    batch = otlp.encode_spans(many)
    assert len(batch) > 900_000
    await produce(kafka, "otlp_spans", batch, request.SerializeToString())
    (body,) = await find(up, "span", 1, span_id=huge.span_id.hex())
    assert body["attributes"]["spanloom.truncated"] == 1
    assert 800_000 < len(body["attributes"]["huge"]) < 900_000
    for trace_id in {many[0].trace_id.hex(), many[-1].trace_id.hex()}:
        assert len(await find(up, "span", 12, trace_id=trace_id)) == 12


async def test_a_partition_with_too_many_unusable_records_pauses_and_keeps_them(kafka: str, up: Up) -> None:
    await send_foreign_spans(kafka, up)  # afterwards its topic is paused
    earlier = len(await dead_letters(kafka, "zipkin_spans", 0))  # other tests have the same Kafka
    await produce(kafka, "zipkin_spans", *[b"[not json"] * 8)
    letters = (await dead_letters(kafka, "zipkin_spans", earlier + 5))[earlier:]
    assert [letter["reason"][:35] for letter in letters] == ["not a list of Zipkin's spans in JSO"] * 5
    async with asyncio.timeout(PATIENCE):
        while 'spanloom_paused_partition_offset{partition="0",topic="zipkin_spans"}' not in await metrics(up):
            pass
    assert len(await dead_letters(kafka, "zipkin_spans", earlier + 5)) == earlier + 5, "the others wait on their topic"
    (spans,) = traces(1, seed=81)
    await produce(kafka, "otlp_spans", otlp.encode_spans(spans))
    assert len(await find(up, "span", 12, trace_id=spans[0].trace_id.hex())) == 12, "other topics go on"


async def test_dead_letters_are_replayed_untouched_to_where_they_came_from(kafka: str, up: Up) -> None:
    assert up.console
    earlier = len(await dead_letters(kafka, "otlp_logs", 0))
    await produce(kafka, "otlp_logs", b"\xff\xff", key=b"k")
    before = (await dead_letters(kafka, "otlp_logs", earlier + 1))[earlier]
    said = await asyncio.to_thread(dlq, kafka, "replay")
    assert re.search(r"^otlp_logs: [1-9]\d* replayed", said, re.MULTILINE)
    after = (await dead_letters(kafka, "otlp_logs", earlier + 2))[-1]
    assert after["reason"] == before["reason"]
    assert after["offset"] > before["offset"]
