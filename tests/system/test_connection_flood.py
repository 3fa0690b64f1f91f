"""More silent connections than the process may open files: telemetry of others is taken, stored and shown all the while."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import grpc
import httpx2
import pytest

from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

FILES = 1024
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 6 * FILES:
        pytest.skip(f"THE TEST MAY OPEN NO MORE THAN {hard} FILES: 6,144 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (6 * FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def flood(stack: ExitStack, url: str, first: bytes) -> None:
    """1,100 connections that send the beginning of something, and no more."""
    address = urlsplit(url)
    for _ in range(1100):
        connection = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE))
        with suppress(OSError):  # it had to make room already
            connection.send(first)


def send_over_http(up: Up, body: bytes) -> None:
    headers = {"content-type": "application/x-protobuf"}
    assert httpx2.post(f"{up.otlp}/v1/traces", content=body, headers=headers, timeout=PATIENCE).status_code == 200


def send_over_grpc(address: str, body: bytes) -> None:
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        channel.unary_unary(EXPORT)(body, timeout=PATIENCE, wait_for_ready=True)


def test_silent_connections_on_every_port_stop_nobody_and_when_they_end_nothing_is_left_of_them(tmp_path: Path) -> None:
    up = Up(tmp_path)
    grpc_address = up.environment["SPANLOOM_OTLP_GRPC"]
    up.start()
    up.limit_files(FILES)
    try:
        up.wait_ready()
        bodies = iter([otlp.encode_spans(trace) for trace in traces(30)])
        sent = 0
        with ExitStack() as stack:
            for url, first in (
                (up.otlp, b""),
                (up.otlp, b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8000000\r\n\r\nabc"),
                (f"http://{grpc_address}", b""),
                (up.console, b"GET / HTTP/1.1\r\n"),
            ):
                with ExitStack() as this:
                    flood(this, url, first)
                    for _ in range(3):
                        send_over_http(up, next(bodies))
                        send_over_grpc(grpc_address, next(bodies))
                        sent += 2
                        assert httpx2.get(f"{up.console}/healthz", timeout=PATIENCE).status_code == 200
                    assert up.alive()
                    stack.enter_context(this.pop_all())
            stored = status_until(up, sent)
        assert stored["spans_stored"] >= sent
        send_over_http(up, next(bodies))
        send_over_grpc(grpc_address, next(bodies))
        metrics = httpx2.get(f"{up.console}/metrics", timeout=PATIENCE).text
        assert 'spanloom_connections_closed_total{port="otlp_http",reason="evicted"}' in metrics
        assert "restarting" not in (tmp_path / "up.log").read_text()
    finally:
        up.stop()


def status_until(up: Up, spans: int) -> dict[str, int]:
    """The counters, once so many spans are stored."""
    deadline = time.monotonic() + 120
    while (status := up.status())["spans_stored"] < spans and time.monotonic() < deadline:
        time.sleep(0.2)
    return status
