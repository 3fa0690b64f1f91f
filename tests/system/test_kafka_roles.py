"""Each role a process of its own, the stages in different ones: a trace sent to the collector is seen in the console's API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest

from telemetry import otlp
from tests.generated import logs, traces
from tests.system.cluster import Cluster, Role
from tests.system.exactness import QUICK

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

PATIENCE = 120.0


async def test_a_trace_goes_from_the_collector_through_workers_of_single_stages_to_the_console(tmp_path: Path) -> None:
    with Cluster(tmp_path, "rekey", "assemble", "score,act", **QUICK) as cluster:
        console = Role("console", tmp_path / "console", **cluster.settings)
        console.start()
        try:
            console.wait_ready()
            (spans,) = traces(1)
            records = logs(spans)
            async with httpx2.AsyncClient(timeout=20) as client:
                for path, body in (("traces", otlp.encode_spans(spans)), ("logs", otlp.encode_logs(records))):
                    headers = {"content-type": "application/x-protobuf"}
                    answer = await client.post(f"{cluster.collector.otlp}/v1/{path}", content=body, headers=headers)
                    assert answer.is_success
                found = await whole(client, console, spans[0].trace_id.hex())
                assert len(found["spans"]) == len(spans)
                assert len(found["logs"]) == len(records)
                assert found["trace"]["logs"]["count"] == len(records)
                collected = (await client.get(f"{cluster.collector.url}/metrics")).text
                assert "spanloom_" in collected
            assert f"spanloom_spans_received_total {len(spans)}.0" in cluster.workers[1].metrics()
            assert 'spanloom_lag_records{topic="spanloom-series"}' in cluster.workers[2].metrics()
        finally:
            console.stop()


async def whole(client: httpx2.AsyncClient, console: Role, trace_id: str) -> dict[str, Any]:
    """The trace as soon as its call graph is stored."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await client.get(f"{console.url}/api/v1/traces/{trace_id}")
            if answer.is_success and answer.json()["trace"] is not None:
                found: dict[str, Any] = answer.json()
                return found
            await asyncio.sleep(0.3)
