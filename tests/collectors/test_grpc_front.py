"""The port of OTLP/gRPC under clients that do not mean it well; an honest one is always served."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
import trustme
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collectors.grpc_front import PREFACE
from collectors.ingest import Ingest, IngestConfig
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from components.tls import TlsConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

SPAN = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "a"}
REQUEST = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [SPAN]}]}])


@asynccontextmanager
async def receiving(log: FakeLog, metrics: CollectorMetrics, **config: Any) -> AsyncIterator[OtlpGrpcReceiver]:
    bounds = IngestConfig(**{name: config.pop(name) for name in list(config) if name in IngestConfig.model_fields})
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0, **config), log, metrics, Ingest(bounds, metrics))
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


async def export(receiver: OtlpGrpcReceiver, credentials: Any = None) -> None:
    address, options = f"127.0.0.1:{receiver.port}", [("grpc.use_local_subchannel_pool", 1)]
    open_channel = grpc.aio.secure_channel if credentials else grpc.aio.insecure_channel
    arguments = (address, credentials, options) if credentials else (address, options)
    async with open_channel(*arguments) as channel:
        await TraceServiceStub(channel).Export(REQUEST, timeout=60, wait_for_ready=True)


async def connect(stack: AsyncExitStack, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def close() -> None:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    stack.push_async_callback(close)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass
    return True


def closed(registry: CollectorRegistry, reason: str) -> float:
    labels = {"port": "otlp_grpc", "reason": reason}
    return registry.get_sample_value("spanloom_connections_closed_total", labels) or 0.0


@pytest.mark.parametrize("first", [b"", PREFACE[:10], PREFACE], ids=["silent", "half a preface", "nothing after the preface"])
async def test_a_port_full_of_silent_connections_serves_others(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, first: bytes
) -> None:
    async with receiving(log, metrics, limits={"max_connections": 10}) as receiver, AsyncExitStack() as stack:
        readers = []
        for _ in range(40):
            reader, writer = await connect(stack, receiver.port)
            writer.write(first)
            readers.append(reader)
        await export(receiver)
        assert await ended(readers[0])
        assert closed(registry, "evicted") >= 30
    assert len(log.records) == 1


async def test_what_is_silent_for_too_long_or_speaks_no_http2_is_closed(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics, limits={"header_seconds": 0.1}) as receiver, AsyncExitStack() as stack:
        silent, _ = await connect(stack, receiver.port)
        assert await ended(silent)
        other, writer = await connect(stack, receiver.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await ended(other)
        await export(receiver)
    assert (closed(registry, "slow_header"), closed(registry, "not_http2")) == (1, 1)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers() -> bytes:
    path = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    named = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"x"}
    named |= {b"content-type": b"application/grpc", b"te": b"trailers"}
    return b"".join(b"\x00" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in named.items())


HALF = b"\0" + struct.pack(">I", 1_000_000) + b"z" * 1000
"""The beginning of a message of a million bytes."""


async def test_half_messages_on_many_streams_do_not_keep_whole_ones_out(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with (
        receiving(log, metrics, max_request_bytes=1_000_000, max_reading_bytes=4_000_000) as receiver,
        AsyncExitStack() as stack,
    ):
        for _ in range(5):
            _, writer = await connect(stack, receiver.port)
            streams = [frame(1, 4, 1 + 2 * n, headers()) + frame(0, 0, 1 + 2 * n, HALF) for n in range(20)]
            writer.write(PREFACE + frame(4, 0, 0) + b"".join(streams))
            await writer.drain()
        await asyncio.gather(*(export(receiver) for _ in range(3)))
        labels = {"signal": "spans", "transport": "grpc", "reason": "overloaded"}
        assert registry.get_sample_value("spanloom_collector_refused_requests_total", labels)
    assert len(log.records) == 3


async def test_a_message_that_does_not_come_in_time_is_given_up_on(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics, read_seconds=0.1) as receiver, AsyncExitStack() as stack:
        reader, writer = await connect(stack, receiver.port)
        writer.write(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, headers()) + frame(0, 0, 1, HALF))
        labels = {"signal": "spans", "transport": "grpc", "reason": "too_slow"}
        while not registry.get_sample_value("spanloom_collector_refused_requests_total", labels):
            assert await reader.read(65536)  # settings, and then the status
        await export(receiver)


async def test_a_hundred_requests_at_a_time_on_one_connection_are_all_accepted(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with (
        receiving(log, metrics) as receiver,
        grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel,
    ):
        await asyncio.gather(*(TraceServiceStub(channel).Export(REQUEST, timeout=60) for _ in range(100)))
    assert len(log.records) == 100


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> TlsConfig:
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return TlsConfig(certificate=tmp_path / "server.pem", key=tmp_path / "server.pem", client_ca=tmp_path / "ca.pem")


async def test_the_record_says_who_the_client_certificate_is_of(
    log: FakeLog, metrics: CollectorMetrics, authority: trustme.CA, tls: TlsConfig
) -> None:
    client = authority.issue_cert("shop@example.org", common_name="shop")
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    async with receiving(log, metrics, tls=tls) as receiver:
        await export(receiver, credentials)
    assert log.senders == ["certificate:shop"]


async def test_tls_handshakes_that_do_not_come_keep_nobody_out(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, authority: trustme.CA, tls: TlsConfig
) -> None:
    client = authority.issue_cert("shop@example.org")
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    limits = {"max_connections": 5, "header_seconds": 0.5}
    async with receiving(log, metrics, tls=tls, limits=limits) as receiver, AsyncExitStack() as stack:
        readers = [(await connect(stack, receiver.port))[0] for _ in range(20)]
        await export(receiver, credentials)
        for reader in readers:
            assert await ended(reader)
        assert closed(registry, "handshake") >= 1


async def test_an_older_tls_than_the_least_is_refused(
    log: FakeLog, metrics: CollectorMetrics, authority: trustme.CA, tls: TlsConfig
) -> None:
    old = ssl.create_default_context()
    authority.configure_trust(old)
    authority.issue_cert("shop").configure_cert(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with receiving(log, metrics, tls=tls.model_copy(update={"min_version": "1.3"})) as receiver:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection("127.0.0.1", receiver.port, ssl=old)
