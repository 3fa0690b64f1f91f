"""Small requests that unfold to much are refused within the memory configured, while health is answered and others served."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx2
import pytest

from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATIENCE = 120.0

OVERHEAD = 200 * 2**20
"""What docs/collectors.md allows beyond `ingest.max_memory_bytes`."""

MAX_MEMORY = 384 * 2**20


def within(tag: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + content


def spans(size: int) -> bytes:
    """One request of nothing but empty spans."""
    return within(0x0A, within(0x12, b"\x12\x00" * (size // 2 - 20)))


def attributes(size: int) -> bytes:
    """One request of one span of nothing but empty attributes."""
    return within(0x0A, within(0x12, within(0x12, b"\x4a\x00" * (size // 2 - 20))))


def json(size: int) -> bytes:
    """One request of nothing but empty objects."""
    return b'{"resourceSpans":[' + b",".join([b"{}"] * (size // 3 - 20)) + b"]}"


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def post(url: str, body: bytes, kind: str) -> tuple[int, str]:
    headers = {"content-type": kind, "content-encoding": "gzip"}
    answer = httpx2.post(f"{url}/v1/traces", content=gzip.compress(body), headers=headers, timeout=PATIENCE)
    return answer.status_code, answer.text


def call(address: str, body: bytes) -> tuple[grpc.StatusCode, str]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options, compression=grpc.Compression.Gzip) as channel:
        try:
            channel.unary_unary(EXPORT)(body, timeout=PATIENCE)
        except grpc.RpcError as error:
            return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def test_seven_bombs_of_each_kind_on_both_transports_stay_within_the_memory_configured(tmp_path: Path) -> None:
    up = Up(tmp_path, SPANLOOM_INGEST__MAX_MEMORY_BYTES=str(MAX_MEMORY))
    up.start()
    try:
        up.wait_ready()
        pid = up.child()
        before = peak(pid)
        done = threading.Event()
        with ThreadPoolExecutor(40) as pool:
            health = pool.submit(ask_health, up, done)
            address = up.environment["SPANLOOM_OTLP_GRPC"]
            over_http = [
                pool.submit(post, up.otlp, make(8 * 2**20), kind)
                for make, kind in (
                    (spans, "application/x-protobuf"),
                    (attributes, "application/x-protobuf"),
                    (json, "application/json"),
                )
                for _ in range(7)
            ]
            over_grpc = [pool.submit(call, address, make(4 * 2**20)) for make in (spans, attributes) for _ in range(7)]
            for refused in over_http:
                status, text = refused.result()
                assert (status, "1000000" in text) == (400, True), text[:200]
            for sent in over_grpc:
                code, text = sent.result()
                assert (code, "1000000" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True), text
            done.set()
            assert health.result() > 0
        assert peak(pid) - before < MAX_MEMORY + OVERHEAD
        body = otlp.encode_spans(next(traces(1)))
        assert post(up.otlp, body, "application/x-protobuf")[0] == 200
        assert call(address, body)[0] is grpc.StatusCode.OK
    finally:
        up.stop()


def ask_health(up: Up, done: threading.Event) -> int:
    """Ask until done; how often it was answered. It always is."""
    answered = 0
    while not done.is_set() or not answered:
        assert httpx2.get(f"{up.console}/healthz", timeout=PATIENCE).status_code == 200
        answered += 1
    return answered
