"""The whole shop under load, watched by a receiver that is not ours to trust: it keeps what the SDK sends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.demo.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
SERVICES = {"frontend", "catalog", "cart", "checkout", "payment", "inventory", "shipping"}
CLIENT, SERVER, PRODUCER, CONSUMER = 3, 2, 4, 5

SLOW = 2000
"""Milliseconds that a call takes by a fault: more than a busy machine makes of a healthy one."""

pytestmark = pytest.mark.system


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def supervisor(receiver: OtlpReceiver, folder: Path) -> tuple[str, ...]:
    ports = ("--port", "0", "--otlp-grpc", receiver.grpc, "--otlp-http", receiver.http)
    return ("demo.supervisor", *ports, "--folder", str(folder), "--until-stdin-ends")


async def ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 120)
    return f"http://{json.loads(line)['ready']}"


async def report(load: asyncio.subprocess.Process) -> dict[str, Any]:
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(b"\n")
    await load.stdin.drain()
    figures: dict[str, Any] = json.loads(await asyncio.wait_for(load.stdout.readline(), 60))
    return figures


async def until_answered(load: asyncio.subprocess.Process, number: int) -> list[dict[str, Any]]:
    """Reports until so many requests were answered."""
    reports: list[dict[str, Any]] = []
    async with asyncio.timeout(120):
        while sum(figures["answered"] for figures in reports) < number:
            await asyncio.sleep(0.5)
            reports.append(await report(load))
    return reports


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    receiving = OtlpReceiver()
    yield receiving
    await asyncio.to_thread(receiving.close)


async def test_under_load_every_service_is_seen_and_every_span_that_was_sent_arrived(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    async with running(*supervisor(receiver, tmp_path)) as shop, httpx2.AsyncClient() as client:
        url = await ready(shop)
        async with running("demo.load", str(tmp_path), "--rate", "15") as load:
            reports = await until_answered(load, 150)
        assert reports[-1]["failed"] == 0
        async with asyncio.timeout(120):
            while True:
                sent = (await client.get(f"{url}/sent")).json()
                arrived = len(receiver.spans())
                if sent["spans_ended"] == sent["spans_sent"] == arrived and receiver.metrics():
                    break
                await asyncio.sleep(0.3)
    spans = receiver.spans()
    by_id = {span.span_id: (resource["service.name"], span) for resource, span in spans}
    assert len(by_id) == len(spans)
    assert {resource["service.name"] for resource, _ in spans} == SERVICES
    assert all(span.parent_span_id in by_id for _, span in spans if span.parent_span_id)

    hops: dict[tuple[str, str], set[int]] = defaultdict(set)
    for service, span in by_id.values():
        caller = by_id.get(span.parent_span_id)
        if caller and caller[0] != service:
            hops[caller[0], service].add(span.kind)
    assert hops == {
        ("frontend", "catalog"): {SERVER},
        ("frontend", "cart"): {SERVER},
        ("frontend", "inventory"): {SERVER},
        ("frontend", "checkout"): {SERVER},
        ("cart", "catalog"): {SERVER},
        ("checkout", "cart"): {SERVER},
        ("checkout", "inventory"): {SERVER},
        ("checkout", "payment"): {SERVER},
        ("checkout", "shipping"): {CONSUMER},
    }
    databases = {
        service
        for service, span in by_id.values()
        if any(attribute.key in {"db.system", "db.system.name"} for attribute in span.attributes)
    }
    assert databases == {"catalog", "inventory"}
    logs = receiver.logs()
    assert {resource["service.name"] for resource, record in logs if record.trace_id} >= {"cart", "checkout", "shipping"}
    assert all(record.span_id in by_id for _, record in logs if record.span_id)
    assert any(point.exemplars for metric in receiver.metrics() for point in metric.histogram.data_points)


async def test_users_feel_a_fault_and_no_longer_when_the_instance_is_isolated(receiver: OtlpReceiver, tmp_path: Path) -> None:
    async with running(*supervisor(receiver, tmp_path)) as shop, httpx2.AsyncClient() as client:
        url = await ready(shop)
        async with running("demo.load", str(tmp_path), "--rate", "10") as load:
            await client.post(f"{url}/services/payment/fault", json={"kind": "latency", "milliseconds": SLOW})
            slow = await until_answered(load, 60)
            assert max(figures["latency_ms"]["p99"] or 0 for figures in slow) >= SLOW
            await client.post(f"{url}/services/payment/isolate")
            await until_answered(load, 50)  # what was under way then ends meanwhile
            healed = await until_answered(load, 60)
            assert (
                statistics.median(figures["latency_ms"]["p99"] or 0 for figures in healed) < SLOW
            )  # a busy machine has its moments
            assert healed[-1]["failed"] == 0


async def test_nothing_is_left_when_the_supervisor_is_killed(receiver: OtlpReceiver, tmp_path: Path) -> None:
    async with running(*supervisor(receiver, tmp_path)) as shop, httpx2.AsyncClient() as client:
        url = await ready(shop)
        pids = [service["pid"] for service in (await client.get(f"{url}/services")).json()]
        assert len(pids) >= 6
        os.kill(shop.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while any(alive(pid) for pid in pids):  # noqa: ASYNC110  # processes that are not our children have no event
                await asyncio.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
