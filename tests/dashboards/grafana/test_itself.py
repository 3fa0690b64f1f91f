"""The dashboard about Spanloom itself: its queries have answers in what a running `spanloom up` shows at /metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from dashboards.grafana.itself import CHOSEN, FIGURES, SECTIONS, itself
from spanloom import clock
from spanloom.reference import metrics
from telemetry.metrics import Point, Series
from tests.dashboards import shop
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
SHOWN = [
    (panel.title, text) for panel in (*FIGURES, *(one for row in SECTIONS.values() for one in row)) for _, text in panel.shown
]
WHERE_SOMETHING_IS_WRONG = (
    "spanloom_collector_refused_items_total",
    "spanloom_connections_closed_total",
    "spanloom_dropped_total",
    "spanloom_heartbeats_",  # there is no dead man's switch
    "spanloom_records_deleted_unread_total",
    "spanloom_store_refused_documents_waiting",
    "spanloom_store_requests_retried_total",
)
"""Without a sample where all is well, for each has a label that says what is wrong."""


def test_it_names_metrics_that_there_are() -> None:
    shown = {metric.name for metric in metrics.registered()} | {"process_resident_memory_bytes", "process_cpu_seconds"}
    named = set(re.findall(r"\b((?:spanloom|process)_\w+)\{", json.dumps(itself())))
    assert len(named) > 30
    assert {name for name in named if not {name, re.sub("_(total|bucket|sum|count)$", "", name)} & shown} == set()


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)")
def test_promtool_can_read_its_queries(tmp_path: Path) -> None:
    rules = [{"record": f"one:{number}", "expr": replaced(text)} for number, (_, text) in enumerate(SHOWN)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SHOWN)} rules found" in done.stdout


def replaced(text: str) -> str:
    for name, value in (("$__rate_interval", "2m"), ("$__range", "15m"), ("$instance", ".*")):
        text = text.replace(name, value)
    assert "$" not in text
    return text


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertEngine]:
    """Samples of two scrapes, a minute apart as the engine sees it, and traces before each."""
    up = Up(tmp_path_factory.mktemp("itself"))
    up.start()
    try:
        up.wait_ready()
        engine = AlertEngine([])
        for number in (1, 2):
            httpx2.post(f"{up.otlp}/v1/traces", json=trace(number), timeout=60).raise_for_status()
            assert httpx2.post(f"{up.otlp}/v1/traces", content=b"{", headers={"content-type": "application/json"}).is_error
            scraped = until_written(up, number)
            at = shop.NOW - (2 - number) * 60 * shop.SECOND
            engine.samples.add(
                Point(Series(sample.name, tuple(sorted({**sample.labels, "instance": "one"}.items()))), at, sample.value)
                for family in text_string_to_metric_families(scraped)
                for sample in family.samples
            )
        yield engine
    finally:
        up.stop()


def trace(number: int) -> object:
    now = clock.system()
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": str(now - 5_000_000),
        "endTimeUnixNano": str(now),
    }
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    return {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}


def until_written(up: Up, traces: int) -> str:
    """The page, once so many traces are stored and rules have been evaluated."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            text = httpx2.get(f"{up.console}/metrics", timeout=60).text
        except httpx2.TransportError:  # its supervisor starts it again
            time.sleep(0.1)
            continue
        stored = re.search(r"^spanloom_traces_total (\S+)$", text, re.MULTILINE)
        if stored is not None and float(stored[1]) >= traces:
            return text
        time.sleep(0.1)
    raise AssertionError((up.folder / "up.log").read_text()[-3000:])


@pytest.mark.system
@pytest.mark.timeout(300)
async def test_each_query_has_an_answer_while_all_is_well_but_those_of_what_is_wrong(engine: AlertEngine) -> None:
    app = Starlette(routes=PrometheusApi(lambda: {"default": engine}, lambda: shop.NOW, "0").routes())
    silent = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console/prometheus/api/v1") as client:
        for title, text in SHOWN:
            asked = {"query": replaced(text), "time": str(shop.NOW // shop.SECOND)}
            answer = await client.post("/query", data=asked)
            assert answer.status_code == 200, (title, answer.text)
            if not answer.json()["data"]["result"]:
                silent.append(text)
    assert [text for text in silent if not any(name in text for name in WHERE_SOMETHING_IS_WRONG)] == []
    assert all(CHOSEN in text for _, text in SHOWN)
