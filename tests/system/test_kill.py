"""kill -9 of `spanloom up` at random moments: what is stored equals what an undisturbed run stores."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from processors.edges import edge_from_body, is_empty, merge
from stores.duckdb import DuckDbStore
from stores.store import Query
from telemetry import otlp
from telemetry.documents import Kind, latest
from tests.generated import logs, traces
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

TRACES = 2500
KILLS = 10
QUICK = {
    "SPANLOOM_ASSEMBLE__QUIET": "1",
    "SPANLOOM_ASSEMBLE__LATENESS": "2",
    "SPANLOOM_ASSEMBLE__IDLE": "1",
    "SPANLOOM_ACT__LOOK_BACK": "5",
}
EVERYTHING = 10_000_000


def requests() -> Iterator[tuple[str, bytes]]:
    """Export requests of about 20 traces: their spans mixed as several services would send them, and their logs."""
    chance = random.Random(5)
    waiting: list[Any] = []
    for spans in traces(TRACES):
        waiting.append(spans)
        if len(waiting) == 20:
            mixed = [span for trace in waiting for span in trace]
            chance.shuffle(mixed)
            yield "traces", otlp.encode_spans(mixed[::2])
            yield "logs", otlp.encode_logs([record for trace in waiting for record in logs(trace)])
            yield "traces", otlp.encode_spans(mixed[1::2])
            waiting.clear()


def send_all(up: Up, pause: float, done: threading.Event) -> None:
    """Send until acknowledged, over restarts: what is acknowledged may not be lost, what is not is sent again."""
    try:
        with httpx2.Client(timeout=10) as client:
            for path, body in requests():
                while True:
                    try:
                        answer = client.post(
                            f"{up.otlp}/v1/{path}", content=body, headers={"content-type": "application/x-protobuf"}
                        )
                        if answer.is_success:
                            break
                    except httpx2.HTTPError:
                        pass
                    time.sleep(0.05)
                time.sleep(pause)
    finally:
        done.set()


def wait_settled(up: Up, seconds: float = 180.0) -> None:
    """Wait until every record is done with; what rules look back at stays held."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lag = dict(up.status()["lag"])
        lag.pop("spanloom-signals", None)
        if lag and not any(lag.values()):
            return
        time.sleep(0.2)
    raise AssertionError(f"not settled: {up.status()}; log: {(up.folder / 'up.log').read_text()[-2000:]}")


async def documents(up: Up) -> dict[str, Any]:
    """What is stored, corrections folded in."""
    store = DuckDbStore(up.store_file)
    try:
        found = {
            kind: await store.find(Query(kind, limit=EVERYTHING))
            for kind in (Kind.SPAN, Kind.LOG, Kind.TRACE, Kind.HOP, Kind.EDGE)
        }
    finally:
        await store.close()
    edges: dict[Any, Any] = {}
    for edge in map(edge_from_body, found[Kind.EDGE]):
        place = (edge.key, edge.start)
        edges[place] = merge(edges[place], edge) if place in edges else edge
    return {
        "spans": {body["_id"]: body for body in found[Kind.SPAN]},
        "logs": {body["_id"]: body for body in found[Kind.LOG]},
        "traces": {body["id"]: without(body) for body in latest(found[Kind.TRACE])},
        "hops": {body["id"]: without(body) for body in latest(found[Kind.HOP])},
        "edges": {
            place: (edge.calls, edge.failures, edge.latency_sum, edge.latency.positive)
            for place, edge in edges.items()
            if not is_empty(edge)
        },
    }


def without(body: dict[str, Any]) -> dict[str, Any]:
    """A document without its revision, which tells how it came to be and not what it is."""
    return {name: value for name, value in body.items() if name not in {"revision", "_id"}}


def run(folder: Path, kills: int) -> Up:
    """Send everything while killing so many times."""
    folder.mkdir()
    up = Up(folder, **QUICK)
    up.start()
    up.wait_ready()
    done = threading.Event()
    sender = threading.Thread(target=send_all, args=(up, 0.02 if kills else 0.0, done), daemon=True)
    sender.start()
    chance = random.Random(11)
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 2.0))
        up.kill()
        up.start()
        if chance.random() < 0.7:  # some kills hit a start
            up.wait_ready()
    up.wait_ready()
    assert done.wait(120)
    wait_settled(up)
    up.stop()
    return up


async def test_documents_after_ten_kills_equal_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    undisturbed = await documents(run(tmp_path / "undisturbed", 0))
    assert len(undisturbed["spans"]) == TRACES * 12
    assert len(undisturbed["traces"]) == TRACES
    assert sum(calls for calls, *_ in undisturbed["edges"].values()) == len(undisturbed["hops"])
    killed = await documents(run(tmp_path / "killed", KILLS))
    for kind, expected in undisturbed.items():
        assert killed[kind].keys() == expected.keys(), kind
        differing = {id_: (expected[id_], killed[kind][id_]) for id_ in expected if killed[kind][id_] != expected[id_]}
        assert not differing, (kind, next(iter(differing.items())))
