"""kill -9 of `spanloom up` at random moments: what is stored equals what an undisturbed run stores.

Where the native core is installed it is what gets killed; the undisturbed run is in Python alone.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from stores.duckdb.store import DuckDbStore
from tests.system.exactness import QUICK, assert_same, documents, points_of, send_all, spans_of, traces_of
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

TRACES = 2500
KILLS = 10


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


async def stored(up: Up) -> dict[str, Any]:
    """What is stored, corrections folded in."""
    store = DuckDbStore(up.store_file)
    try:
        return await documents(store)
    finally:
        await store.close()


def run(folder: Path, kills: int, **settings: str) -> Up:
    """Send everything while killing so many times."""
    folder.mkdir()
    up = Up(folder, **QUICK, **settings)
    up.start()
    try:
        up.wait_ready()
        done = threading.Event()
        sender = threading.Thread(target=send_all, args=(up.otlp, TRACES, 0.02 if kills else 0.0, done), daemon=True)
        sender.start()
        chance = random.Random(11)
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 2.0))
            up.kill()
            up.start()
            if chance.random() < 0.7:  # some kills hit a start
                up.wait_ready()
        up.wait_ready()
        assert done.wait(400)  # the test's own limit of time is 900 s: a machine at fifteen times its load is within
        wait_settled(up)
    finally:
        up.stop()
    return up


async def test_documents_after_ten_kills_equal_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    undisturbed = await stored(run(tmp_path / "undisturbed", 0, SPANLOOM_NATIVE="off"))
    assert len(undisturbed["spans"]) == spans_of(TRACES)
    assert len(undisturbed["traces"]) == traces_of(TRACES)
    assert len(undisturbed["metrics"]) == points_of(TRACES)
    assert sum(bool(trace["exemplars"]) for trace in undisturbed["traces"].values()) == TRACES
    received = [hop for hop in undisturbed["hops"].values() if hop["callee"]["name"] == "mail" and hop["link"]]
    assert sum(hop["caller"]["kind"] == "service" and hop["queue_wait"] > 0 for hop in received) == TRACES
    assert sum(calls for calls, *_ in undisturbed["edges"].values()) == len(undisturbed["hops"])
    killed = await stored(run(tmp_path / "killed", KILLS))
    assert_same(undisturbed, killed)
