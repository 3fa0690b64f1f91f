"""A folder that 0.2.0 left when it was killed, with traces open, an alert firing and an approval asked for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from processors.assembly.edges import edge_from_body
from spanloom.experiments.webhook import WebhookReceiver
from stores.duckdb.store import DuckDbStore
from stores.store import Equals, Query
from telemetry import otlp
from telemetry.documents import Kind, latest
from tests.system.exactness import EVERYTHING
from tests.system.test_alerting import OnCall, until
from tests.system.test_kill import wait_settled
from tests.upgrade import moved, scenario
from tests.upgrade.archives import unpack
from tests.upgrade.moved import MovedUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SPIKE = 3.0
"""A latency that is odd to who knows what is usual, and nothing to who sees it first."""


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file that holds data."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "up.lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def upgrade(up: MovedUp, *options: str) -> dict[str, Any]:
    """What the command reports."""
    done = up.command("upgrade", "--json", *options)
    assert not done.returncode, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def outcomes(report: dict[str, Any]) -> Counter[str]:
    return Counter(item["outcome"] for item in report["items"])


@asynccontextmanager
async def left_behind(folder: Path) -> AsyncIterator[tuple[MovedUp, OnCall, dict[str, Any], moved.MovedClock]]:
    """This release on the folder, not started; at a time that stands a second after the other one was killed."""
    noted = unpack("0.2.0", folder)
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver:
        settings = {"SPANLOOM_WEBHOOK_URL": receiver.url, **scenario.write_configuration(folder)}
        time = moved.MovedClock(folder / "site")
        time.stand_at(noted["ended"] + scenario.SECOND)
        up = MovedUp(folder, time, Path(sys.executable), **settings)
        try:
            yield up, on_call, noted, time
        finally:
            await asyncio.to_thread(up.stop)


async def test_a_dry_run_says_what_is_done_and_changes_nothing(tmp_path: Path) -> None:
    async with left_behind(tmp_path) as (up, _, _, _):
        before = contents(tmp_path / "data")
        planned = upgrade(up, "--dry-run")
        assert contents(tmp_path / "data") == before
        assert planned["dry_run"]
        assert not planned["refused"]
        changes = {item["name"] for item in planned["items"] if item["outcome"] == "changes"}
        assert changes == {kind.value for kind in Kind} - {"receipt", "culprit"}
        assert {each["name"] for each in planned["items"] if each["part"] == "state"} == {
            *("scores", "failures", "shapes", "logs", "rules", "sources", "engine", "alertmanager", "healer", "rankings")
        }
        done = upgrade(up)
        assert {each["name"] for each in done["items"] if each["outcome"] == "changed"} == changes
        again = upgrade(up, "--dry-run")
        assert outcomes(again).keys() == {"kept"} | ({"relearned"} if outcomes(planned)["relearned"] else set())


async def test_this_release_goes_on_where_the_one_before_was_killed(tmp_path: Path) -> None:
    async with left_behind(tmp_path) as (up, on_call, noted, time):
        up.start()
        await asyncio.to_thread(up.wait_ready)
        time.run_on()
        async with httpx2.AsyncClient(timeout=30) as client:
            queues = {**scenario.QUEUES, "cart": scenario.DEEP, "payment": scenario.SHALLOW}
            reporting = asyncio.create_task(moved.report(client, up, queues, lambda: SPIKE))
            try:
                await alerts_go_on(client, up, on_call, noted)
                await spans_come_late_and_again(client, up)
                await repairs_go_on(client, up, on_call, noted, queues)
            finally:
                reporting.cancel()
        check_audit(up, noted)
        await asyncio.to_thread(up.stop)
    store = DuckDbStore(up.store_file)
    try:
        await check_documents(store, noted)
        await check_baseline(store, noted)
    finally:
        await store.close()


async def alerts_go_on(client: httpx2.AsyncClient, up: MovedUp, on_call: OnCall, noted: dict[str, Any]) -> None:
    """They fire since they began, under their fingerprints; nobody is notified again, and what is silenced stays so."""

    async def alerts() -> dict[str, Any]:
        answer = await client.get(f"{up.console}/api/v2/alerts", headers=up.proof)
        return {each["labels"]["service"]: each for each in answer.json() if each["labels"]["alertname"] == "QueueDeep"}

    await asyncio.sleep(12)  # what would be notified again is, after `group_wait` and an evaluation
    found = await alerts()
    assert {name: [each["fingerprint"], each["startsAt"]] for name, each in found.items()} == noted["alerts"]
    assert found["mail"]["status"]["state"] == "suppressed"
    assert found["cart"]["status"]["state"] == "active"
    assert on_call.got == []
    rules = await client.get(f"{up.console}/api/v1/rules/people", headers=up.proof)
    assert "Slow" in rules.text


async def spans_come_late_and_again(client: httpx2.AsyncClient, up: MovedUp) -> None:
    """Spans that were held back, and then all that the other release has been sent already."""
    await moved.post(client, up, "traces", otlp.encode_spans(scenario.late_spans()))
    await asyncio.to_thread(wait_settled, up)
    for path, body in scenario.past_requests():
        await moved.post(client, up, path, body)
    await asyncio.to_thread(wait_settled, up)


async def repairs_go_on(
    client: httpx2.AsyncClient, up: MovedUp, on_call: OnCall, noted: dict[str, Any], queues: dict[str, float]
) -> None:
    """The link that was sent before approves the repair, and its end resolves the alert."""
    answer = await client.post(f"{up.console}{noted['approval']}", json={"decision": "approve", "who": "ann"})
    assert answer.is_success, answer.text
    queues["cart"] = scenario.SHALLOW
    await until(lambda: ("resolved", "cart") in on_call.statuses(), lambda: on_call.got, 120)
    assert ("firing", "cart") not in on_call.statuses()


def check_audit(up: MovedUp, noted: dict[str, Any]) -> None:
    """The chain that the other release began is whole, and has what it ended with."""
    ends = [audit for _, audit in noted["incidents"].values()]
    head = max(ends, key=lambda audit: int(audit["sequence"]))
    done = up.command("audit", "verify", "--url", up.console, "--json", "--head", f"default:{head['sequence']}:{head['hash']}")
    report = json.loads(done.stdout)
    assert report["whole"], done.stdout
    (chain,) = report["chains"]
    assert chain["records"] > head["sequence"]


async def check_documents(store: DuckDbStore, noted: dict[str, Any]) -> None:
    """Every span is there once, and each hop is counted in one edge."""
    found = {kind: await store.find(Query(kind, limit=EVERYTHING)) for kind in (Kind.SPAN, Kind.LOG, Kind.TRACE, Kind.HOP)}
    for kind, bodies in found.items():
        assert len({body["_id"] for body in bodies}) == len(bodies), kind
    past = scenario.past_traces()
    sent = {(span.trace_id.hex(), span.span_id.hex(), span.kind.name) for trace in past for span in trace}
    spans = Counter((body["trace_id"], body["span_id"], body["kind"].upper()) for body in found[Kind.SPAN])
    of_past = {key: count for key, count in spans.items() if key[0] not in noted["open_traces"]}
    assert of_past.keys() == sent
    assert set(of_past.values()) == {1}
    traces = {body["trace_id"]: body for body in latest(found[Kind.TRACE])}
    assert len(traces) == scenario.TRACES + len(noted["open_traces"])
    assert {traces[trace_id]["span_count"] for trace_id in noted["open_traces"]} == {12}
    late = [past[number][0].trace_id.hex() for number in scenario.LATE]
    assert {traces[trace_id]["span_count"] for trace_id in late} == {12}
    hops = [hop for hop in latest(found[Kind.HOP]) if not hop.get("retracted")]
    edges = [edge_from_body(body) for body in await store.find(Query(Kind.EDGE, limit=EVERYTHING))]
    assert sum(edge.calls for edge in edges) == len(hops)
    assert len({hop["id"] for hop in hops}) == len(hops)


async def check_baseline(store: DuckDbStore, noted: dict[str, Any]) -> None:
    """The first latencies that it sees are odd: it knows what was usual."""
    anomalies = await store.find(Query(Kind.ANOMALY, [Equals("environment", "default")], limit=EVERYTHING))
    found = [
        each
        for each in anomalies
        if each["series"]["name"] == "request_latency_seconds" and each["@timestamp"] > noted["ended"]
    ]
    first = min(found, key=lambda each: each["@timestamp"])
    assert first["@timestamp"] < noted["ended"] + 15 * scenario.SECOND
    assert abs(first["expected"] - scenario.USUAL) < 0.05
