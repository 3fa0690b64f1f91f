from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import cramjam
import httpx2
import pytest
import trustme
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from collectors.errors import LogUnavailableError
from collectors.ingest import Ingest, IngestConfig
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from components.tls import TlsConfig
from telemetry import otlp
from telemetry.errors import ConfigError, OverloadedError, SpanloomError
from telemetry.structure import ELEMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def a_request(*spans: dict[str, Any]) -> bytes:
    good = {"trace_id": bytes([1] * 16), "span_id": bytes([2] * 8)}
    encoded: bytes = ExportTraceServiceRequest(
        resource_spans=[{"scope_spans": [{"spans": [good | span for span in spans or ({},)]}]}]
    ).SerializeToString()
    return encoded


def a_json_request(**fields: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01" * 16, "spanId": "02" * 8} | fields]}]}]}


def _name_or_size(value: str | bytes) -> str:
    return value if isinstance(value, str) else str(len(value))


@asynccontextmanager
async def receiving(log: FakeLog, metrics: CollectorMetrics, **config: Any) -> AsyncIterator[httpx2.AsyncClient]:
    bounds = IngestConfig(**{name: config.pop(name) for name in list(config) if name in IngestConfig.model_fields})
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0, **config), log, metrics, Ingest(bounds, metrics))
    await receiver.start()
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{receiver.port}", trust_env=False) as client:
            yield client
    finally:
        await receiver.stop()


def refused(registry: CollectorRegistry, reason: str, signal: str = "spans") -> float | None:
    return registry.get_sample_value(
        "spanloom_collector_refused_requests_total", {"signal": signal, "transport": "http", "reason": reason}
    )


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (a_request({"name": "caf??"}).replace(b"??", b"\xe9\x20"), PROTOBUF),
        (json.dumps(a_json_request(name="caf?")).replace("?", "\\ud83d").encode(), JSON),
    ],
    ids=["Latin-1 in protobuf", "half an emoji in JSON"],
)
async def test_text_that_is_no_unicode_costs_no_span_and_the_client_is_warned(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, body: bytes, headers: dict[str, str]
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 200
    assert b"1 texts were no Unicode" in answer.content
    ((_, value),) = log.records
    assert [span.name.strip() for span in otlp.decode_spans(value)] == ["caf�"]
    labels = {"signal": "spans", "transport": "http"}
    assert registry.get_sample_value("spanloom_collector_replaced_texts_total", labels) == 1
    assert registry.get_sample_value("spanloom_collector_accepted_items_total", labels) == 1


async def test_a_protobuf_request_is_shipped_byte_for_byte(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    body = a_request({"name": "a"}, {"name": "b"}) + b"\xfa\x3f\x03new"  # and a field that does not exist yet
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    assert log.records == [("otlp_spans", body)]
    labels = {"signal": "spans", "transport": "http"}
    assert registry.get_sample_value("spanloom_collector_accepted_items_total", labels) == 2
    assert registry.get_sample_value("spanloom_collector_accepted_bytes_total", labels) == len(body)


@pytest.mark.parametrize(
    ("path", "topic", "body"),
    [
        ("/v1/traces", "otlp_spans", a_json_request()),
        ("/v1/logs", "otlp_logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "hi"}}]}]}]}),
        (
            "/v1/metrics",
            "otlp_metrics",
            {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"asInt": "1"}]}}]}]}]},
        ),
    ],
)
async def test_each_signal_goes_to_its_topic_and_json_is_answered_in_json(
    log: FakeLog, metrics: CollectorMetrics, path: str, topic: str, body: Any
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, "application/json")
    assert [record[0] for record in log.records] == [topic]


async def test_an_empty_request_is_accepted_and_nothing_shipped(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as client:
        assert (await client.post("/v1/traces", content=b"", headers=PROTOBUF)).status_code == 200
        assert (await client.post("/v1/logs", json={})).status_code == 200
    assert log.records == []


async def test_the_valid_spans_of_a_batch_are_shipped_and_the_invalid_ones_named(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    body = a_request({"name": "good"}, {"span_id": b""}, {"trace_id": b"short"})
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 2)
    assert partial.error_message.startswith("resource_spans[0].scope_spans[0].spans[1].span_id: must be an id of 8 bytes")
    assert log.records == [("otlp_spans", a_request({"name": "good"}))]
    labels = {"signal": "spans", "transport": "http", "reason": "invalid"}
    assert registry.get_sample_value("spanloom_collector_refused_items_total", labels) == 2


async def test_a_batch_without_a_valid_span_is_refused(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", json=a_json_request(traceId="00" * 16))
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert answer.json()["message"].startswith("resourceSpans[0].scopeSpans[0].spans[0].traceId: must be an id of 16 bytes")
    assert log.records == []


async def test_a_wrong_enum_is_refused_with_its_field(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", json=a_json_request(kind="SPAN_KIND_CLIENT"))
    assert answer.status_code == 400
    assert "resourceSpans[0].scopeSpans[0].spans[0].kind: must be an enum's integer" in answer.json()["message"]
    assert refused(registry, "malformed") == 1


async def test_malformed_protobuf_is_refused_in_protobuf(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=b"nonsense", headers=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/x-protobuf")
    status = Status.FromString(answer.content)
    assert (status.code, status.message[:43]) == (3, "not a protobuf ExportTraceServiceRequest: E")


async def test_gzip_is_accepted(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as client:
        headers = PROTOBUF | {"content-encoding": "gzip"}
        answer = await client.post("/v1/traces", content=gzip.compress(a_request()), headers=headers)
    assert answer.status_code == 200
    assert log.records == [("otlp_spans", a_request())]


@pytest.mark.parametrize(
    ("name", "compressed"),
    [
        ("gzip", gzip.compress(a_request())),
        ("x-gzip", gzip.compress(a_request())),
        ("GZIP", gzip.compress(a_request())),
        ("gzip", gzip.compress(a_request()[:5]) + gzip.compress(a_request()[5:])),
        ("gzip", gzip.compress(b"") + gzip.compress(a_request()) + gzip.compress(b"")),
        ("deflate", zlib.compress(a_request())),
        ("zstd", bytes(cramjam.zstd.compress(a_request()))),
        ("zstd", bytes(cramjam.zstd.compress(a_request()[:5])) + bytes(cramjam.zstd.compress(a_request()[5:]))),
        ("snappy", bytes(cramjam.snappy.compress(a_request()))),
        ("snappy", bytes(cramjam.snappy.compress_raw(a_request()))),
        ("x-snappy-framed", bytes(cramjam.snappy.compress(a_request()))),
        ("", a_request()),
        ("identity", a_request()),
    ],
    ids=_name_or_size,
)
async def test_what_the_exporters_of_the_collector_compress_with_is_read(
    log: FakeLog, metrics: CollectorMetrics, name: str, compressed: bytes
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=compressed, headers=PROTOBUF | {"content-encoding": name})
    assert answer.status_code == 200, answer.content
    assert log.records == [("otlp_spans", a_request())]


BOMB = b"\n" * 1_000_001


@pytest.mark.parametrize(
    ("name", "compressed"),
    [
        ("deflate", zlib.compress(BOMB)),
        ("zstd", bytes(cramjam.zstd.compress(BOMB))),
        ("snappy", bytes(cramjam.snappy.compress(BOMB))),
        ("snappy", bytes(cramjam.snappy.compress_raw(BOMB))),
        ("snappy", b"\xff\xff\xff\xff\x0fx"),
        ("gzip", gzip.compress(BOMB[:500_001]) * 2),
    ],
    ids=_name_or_size,
)
async def test_what_unfolds_to_more_than_the_limit_is_refused_with_the_limit_and_its_setting(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, name: str, compressed: bytes
) -> None:
    async with receiving(log, metrics, max_request_bytes=1_000_000) as client:
        answer = await client.post("/v1/traces", content=compressed, headers=PROTOBUF | {"content-encoding": name})
    assert answer.status_code == 413
    assert (
        "more than 1000000 bytes, which is the limit (otlp_http.max_request_bytes)" in Status.FromString(answer.content).message
    )
    assert refused(registry, "too_large") == 1


@pytest.mark.parametrize("body", [b"", b"plain", bytes(cramjam.zstd.compress(a_request()))[:-3]], ids=len)
@pytest.mark.parametrize("name", ["zstd", "snappy", "deflate"])
async def test_what_is_not_compressed_as_it_says_is_refused(
    log: FakeLog, metrics: CollectorMetrics, name: str, body: bytes
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF | {"content-encoding": name})
    assert answer.status_code == 400
    assert Status.FromString(answer.content).message.startswith(f"not {name}")


async def test_members_of_gzip_without_end_are_refused(log: FakeLog, metrics: CollectorMetrics) -> None:
    body = gzip.compress(b"", mtime=0) * 100_000
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF | {"content-encoding": "gzip"})
    assert (answer.status_code, Status.FromString(answer.content).message) == (400, "not gzip: something follows its end")


async def test_a_request_of_six_megabytes_is_accepted(log: FakeLog, metrics: CollectorMetrics) -> None:
    body = a_request(*({"name": "x" * 100_000} for _ in range(60)))
    log.max_record_bytes = 10_000_000
    async with receiving(log, metrics) as client:
        assert (await client.post("/v1/traces", content=body, headers=PROTOBUF)).status_code == 200
    assert log.records == [("otlp_spans", body)]


@pytest.mark.parametrize(
    ("body", "headers", "content"),
    [
        (b"", PROTOBUF, "empty"),
        (b"{}", JSON, "empty"),
        (b'{"resourceSpans":[]}', JSON, "unknown"),
        (b"\x0a\x00", PROTOBUF, "empty"),
        (b'{"resourceSpans":[{}]}', JSON, "empty"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}', JSON, "unknown"),
        (b"\xfa\x3f\x03new", PROTOBUF, "unknown"),
    ],
)
async def test_a_request_that_holds_nothing_is_accepted_and_counted(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, body: bytes, headers: dict[str, str], content: str
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=headers)
    assert (answer.status_code, log.records) == (200, [])
    assert (b"nothing else that is known here" in answer.content) == (content == "unknown")
    labels = {"signal": "spans", "transport": "http", "content": content}
    assert registry.get_sample_value("spanloom_collector_empty_requests_total", labels) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", gzip.compress(a_request())[:-5], gzip.compress(a_request()) + b"x", b"\x1f\x8b\x08\x00garbage"],
    ids=["empty", "plain", "cut off", "followed", "damaged"],
)
async def test_what_is_no_gzip_is_refused(log: FakeLog, metrics: CollectorMetrics, body: bytes) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF | {"content-encoding": "gzip"})
    assert answer.status_code == 400
    assert Status.FromString(answer.content).message.startswith("not gzip")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("announced", [False, True])
async def test_a_body_over_the_limit_is_refused_and_the_next_request_served(
    log: FakeLog,
    metrics: CollectorMetrics,
    registry: CollectorRegistry,
    packed: bool,  # noqa: FBT001
    announced: bool,  # noqa: FBT001
) -> None:
    body = gzip.compress(b"\n" * 1_000_001) if packed else b"\n" * 1_000_001

    async def in_chunks() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        yield body[len(body) // 2 :]

    async with receiving(log, metrics, max_request_bytes=1_000_000) as client:
        headers = PROTOBUF | ({"content-encoding": "gzip"} if packed else {})
        answer = await client.post("/v1/traces", content=body if announced else in_chunks(), headers=headers)
        assert answer.status_code == 413
        assert "1000000 bytes" in Status.FromString(answer.content).message
        assert refused(registry, "too_large") == 1
        assert (await client.post("/v1/traces", content=a_request(), headers=PROTOBUF)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, PROTOBUF | {"content-encoding": "br"}, JSON | {"content-encoding": "gzip, gzip"}],
)
async def test_what_otlp_does_not_have_is_refused(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, headers: dict[str, str]
) -> None:
    async with receiving(log, metrics) as client:
        assert (await client.post("/v1/traces", content=a_request(), headers=headers)).status_code == 415
    assert refused(registry, "unsupported") == 1


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [(OverloadedError("full", 1.5), 8, "overloaded"), (LogUnavailableError("gone", 1.5), 14, "unavailable")],
)
async def test_what_the_log_does_not_take_is_to_be_sent_again(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, error: Exception, code: int, reason: str
) -> None:
    log.errors = [error, error]
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=a_request(), headers=PROTOBUF)
        as_json = await client.post("/v1/traces", json=a_json_request())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    status = Status.FromString(answer.content)
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.retry_delay.seconds, info.retry_delay.nanos) == (code, 1, 500_000_000)
    assert as_json.json()["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}]
    assert refused(registry, reason) == 2
    labels = {"signal": "spans", "transport": "http", "reason": "overloaded"}
    assert registry.get_sample_value("spanloom_collector_refused_items_total", labels) == 2
    assert (
        registry.get_sample_value("spanloom_collector_accepted_items_total", {"signal": "spans", "transport": "http"}) is None
    )


async def test_a_request_is_answered_only_when_it_is_on_the_log(log: FakeLog, metrics: CollectorMetrics) -> None:
    log.let_go.clear()
    async with receiving(log, metrics) as client:
        posting = asyncio.create_task(client.post("/v1/traces", content=a_request(), headers=PROTOBUF))
        await log.arrivals.get()
        assert not posting.done()
        log.let_go.set()
        assert (await posting).status_code == 200


async def test_a_batch_too_large_for_one_record_is_split_and_nothing_lost(log: FakeLog, metrics: CollectorMetrics) -> None:
    log.max_record_bytes = 1000
    body = a_request(*({"name": f"{n:0100}"} for n in range(100)))
    async with receiving(log, metrics) as client:
        assert (await client.post("/v1/traces", content=body, headers=PROTOBUF)).status_code == 200
    assert max(len(value) for _, value in log.records) <= 1000
    names = [span.name for _, value in log.records for span in otlp.decode_spans(value)]
    assert names == [f"{n:0100}" for n in range(100)]


async def test_a_span_too_large_for_one_record_is_truncated_marked_and_counted(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.max_record_bytes = 1000
    huge = {"name": "huge", "attributes": [{"key": "db.statement", "value": {"string_value": "x" * 5000}}]}
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=a_request({"name": "small"}, huge), headers=PROTOBUF)
    assert answer.status_code == 200
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    assert max(len(value) for _, value in log.records) <= 1000
    small, cut = [span for _, value in log.records for span in otlp.decode_spans(value)]
    assert "spanloom.truncated" not in small.attributes
    assert (cut.name, cut.attributes["spanloom.truncated"]) == ("huge", 1)
    assert 700 < len(str(cut.attributes["db.statement"])) < 1000
    assert registry.get_sample_value("spanloom_collector_truncated_spans_total", {"transport": "http"}) == 1


async def test_what_no_record_can_hold_is_refused_alone(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.max_record_bytes = 1000
    body = a_request({"name": "small"}, {"name": "x" * 1000})
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "its attribute values are not what is large" in partial.error_message
    assert [span.name for _, value in log.records for span in otlp.decode_spans(value)] == ["small"]
    labels = {"signal": "spans", "transport": "http", "reason": "too_large"}
    assert registry.get_sample_value("spanloom_collector_refused_items_total", labels) == 1


async def test_a_request_of_nothing_but_what_no_record_can_hold_is_refused_for_good(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    log.max_record_bytes = 1000
    async with receiving(log, metrics) as client:
        answer = await client.post("/v1/traces", content=a_request({"name": "x" * 1000}), headers=PROTOBUF)
    assert answer.status_code == 413
    assert Status.FromString(answer.content).message.startswith("a span of 10")
    assert log.records == []


async def test_bodies_in_memory_are_bounded_together(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.let_go.clear()
    body = a_request({"name": "x" * 600})
    size = len(body)
    bounds = {"max_elements": 1000, "max_memory_bytes": 3 * size + 1000 * ELEMENT_BYTES, "max_request_bytes": size}
    async with receiving(log, metrics, **bounds) as client:
        posted = [asyncio.create_task(client.post("/v1/traces", content=body, headers=PROTOBUF)) for _ in range(4)]
        done, waiting = await asyncio.wait(posted, return_when=asyncio.FIRST_COMPLETED)
        (answer,) = [task.result() for task in done]
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        log.let_go.set()
        assert [(await task).status_code for task in waiting] == [200] * 3
        assert (await client.post("/v1/traces", content=body, headers=PROTOBUF)).status_code == 200
    assert refused(registry, "overloaded") == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_memory_bytes": 180 * 2**20}, r"ingest\.max_memory_bytes: .* too low for one request of otlp_http\.max_request"),
        ({"max_reading_bytes_per_address": 2**20}, r"otlp_http\.max_request_bytes: 16777216 is more than may be on its way"),
    ],
)
def test_bounds_under_which_the_largest_request_could_never_be_accepted_are_refused(
    log: FakeLog, metrics: CollectorMetrics, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        OtlpHttpReceiver(OtlpHttpConfig(), log, metrics, Ingest(IngestConfig(**settings), metrics))


@asynccontextmanager
async def halfway_through_a_request(port: int | None) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which the head of a request was sent, and the server has begun to wait for its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    about = "content-type: application/json", "content-length: 9", "expect: 100-continue"
    head = "POST /v1/traces HTTP/1.1", "host: localhost", *about
    writer.write("\r\n".join([*head, "", ""]).encode())
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    yield reader
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_never_comes_is_given_up_on(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics, read_seconds=0.05) as client, halfway_through_a_request(client.base_url.port) as reader:
        assert b" 408 " in await reader.readline()
    assert refused(registry, "too_slow") == 1


async def test_a_client_that_leaves_in_the_middle_is_counted(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics) as client, halfway_through_a_request(client.base_url.port):
        pass
    assert refused(registry, "cut_off") == 1
    assert log.records == []


async def test_other_methods_and_paths_are_not_there(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as client:
        assert (await client.get("/v1/traces")).status_code == 405
        assert (await client.post("/v1/profiles", content=b"", headers=PROTOBUF)).status_code == 404


async def test_stop_is_safe_before_start_and_twice_and_start_works_again(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    await receiver.stop()
    for _ in range(2):
        await receiver.start()
        async with httpx2.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{receiver.port}/v1/traces"
            assert (await client.post(url, content=a_request(), headers=PROTOBUF)).status_code == 200
        await receiver.stop()
        await receiver.stop()
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection("127.0.0.1", receiver.port)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stop_lets_requests_under_way_end(log: FakeLog, metrics: CollectorMetrics) -> None:
    log.let_go.clear()
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    await receiver.start()
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{receiver.port}/v1/traces"
        posting = asyncio.create_task(client.post(url, content=a_request(), headers=PROTOBUF))
        await log.arrivals.get()
        stopping = asyncio.create_task(receiver.stop())
        await asyncio.sleep(0)
        assert not posting.done()
        log.let_go.set()
        assert (await posting).status_code == 200
        await stopping
    assert len(log.records) == 1


async def test_a_port_that_is_taken_is_an_error_that_says_so(log: FakeLog, metrics: CollectorMetrics) -> None:
    first = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    await first.start()
    try:
        with pytest.raises(SpanloomError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}: .*is the port in use"):
            await OtlpHttpReceiver(OtlpHttpConfig(port=first.port), log, metrics).start()
    finally:
        await first.stop()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> TlsConfig:
    server = authority.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    server.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return TlsConfig(certificate=tmp_path / "certificate.pem", key=tmp_path / "key.pem", client_ca=tmp_path / "ca.pem")


async def test_over_tls_only_clients_of_the_ca_are_accepted(
    log: FakeLog, metrics: CollectorMetrics, authority: trustme.CA, tls: TlsConfig
) -> None:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0, tls=tls), log, metrics)
    await receiver.start()
    url = f"https://127.0.0.1:{receiver.port}/v1/traces"
    known, unknown = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(known)
    authority.configure_trust(unknown)
    authority.issue_cert("shop").configure_cert(known)
    try:
        async with httpx2.AsyncClient(verify=known, trust_env=False) as client:
            assert (await client.post(url, content=a_request(), headers=PROTOBUF)).status_code == 200
        async with httpx2.AsyncClient(verify=unknown, trust_env=False) as client:
            with pytest.raises(httpx2.TransportError):
                await client.post(url, content=a_request(), headers=PROTOBUF)
    finally:
        await receiver.stop()
    assert len(log.records) == 1


def test_the_configuration_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="max_request_byte"):
        OtlpHttpConfig.model_validate(json.loads('{"max_request_byte": 1}'))


async def test_a_certificate_that_cannot_be_used_is_an_error_of_the_configuration(
    log: FakeLog, metrics: CollectorMetrics, tmp_path: Path
) -> None:
    tls = TlsConfig(certificate=tmp_path / "missing.pem", key=tmp_path / "missing.pem")
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0, tls=tls), log, metrics)
    with pytest.raises(ConfigError, match=r"otlp_http\.tls\.certificate: .*missing.pem: cannot be read: No such file"):
        await receiver.start()
    await receiver.stop()


async def test_it_listens_on_ipv6(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(host="::1", port=0), log, metrics)
    await receiver.start()
    try:
        _, writer = await asyncio.open_connection("::1", receiver.port)
        writer.close()
        await writer.wait_closed()
    finally:
        await receiver.stop()
