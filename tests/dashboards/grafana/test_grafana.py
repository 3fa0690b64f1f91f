"""Grafana's dashboards and data sources: as the definitions build them, each query asked of our API with the shop's data."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from components.access.roles import Role
from components.access.tokens import new_token, token_hash
from dashboards.grafana.files import files
from dashboards.grafana.panels import COLUMNS, panel_of
from dashboards.jaeger_api.routes import JaegerApi
from dashboards.kibana.definitions import DASHBOARDS
from dashboards.read_models.reader import Reader
from dashboards.tempo_api.routes import TempoApi
from processors.series.derived import LOG_RECORDS, anomaly_points, culprit_points
from processors.series.points import points_of
from processors.series.service_graph import ServiceGraphMetrics
from spanloom.access.build import build_access
from spanloom.config import Config
from telemetry.documents import Kind
from telemetry.documents.read_back import anomaly_from_body
from telemetry.findings import CulpritRanking, Suspect
from telemetry.metrics import Point, Series
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stores.duckdb.store import DuckDbStore

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
BUILT: dict[str, dict[str, Any]] = {name: json.loads(content) for name, content in files().items()}
ITSELF = "spanloom-itself.json"
"""Its queries are asked in test_itself.py."""
PANELS = [(name, panel) for name, board in BUILT.items() if name != ITSELF for panel in board["panels"]]
SOURCES = {one["uid"]: one for one in yaml.safe_load((FOLDER / "datasources" / "spanloom.yaml").read_text())["datasources"]}
TARGETS = [
    pytest.param(target["expr"], target["instant"], id=f"{panel['title']} {target['refId']}")
    for _, panel in PANELS
    for target in panel["targets"]
    if target["datasource"]["type"] == "prometheus"
]


def test_the_committed_files_are_what_the_definitions_build() -> None:
    committed = {path.name: path.read_bytes() for path in (FOLDER / "dashboards").glob("*.json")}
    assert committed == files(), "python -m dashboards.grafana deploy/grafana/dashboards"


def test_a_panel_of_kibana_is_there_too_where_samples_or_spans_say_what_it_shows() -> None:
    missing = {panel.title for definition in DASHBOARDS for panel in definition.panels if panel_of(panel) is None}
    self_time = {"Mean self time by service", "Time in the critical path", "Callee's own time, p95"}
    network = {"Network and queueing, p95 by callee"}
    operations = {"Operations", "Hops"}
    of_traces = {"Traces", "Traces with errors", "Longest", "Most spans", "Traces by root", "Longest by root", "Slowest traces"}
    documents = {"Logs", "Anomalies", "Culprits", "Changes of alerts", "Notifications", "Audit trail", "Alerts", "Incidents"}
    of_logs = {"Traces with most errors in their logs"}
    repairs = {"Incidents opened", "Repaired and proven", "Escalated", "Notifications by receiver"}
    assert missing == self_time | network | operations | of_traces | documents | of_logs | repairs


def test_dashboards_are_as_grafana_documents_them() -> None:
    assert len({board["uid"] for board in BUILT.values()}) == len(BUILT) == len(DASHBOARDS) + 1
    for name, board in BUILT.items():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids) > 0
        assert board["uid"].startswith("spanloom-")
        assert len(board["uid"]) <= 40
        for panel in board["panels"]:
            if panel["type"] == "row":
                continue
            assert panel["type"] in {"stat", "timeseries", "table"}
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
                assert name == ITSELF or SOURCES[source["uid"]]["type"] == source["type"]


def unknown(given: object, read: object, path: str = "") -> Iterator[str]:
    """Where something was given that is not among what was read."""
    if isinstance(given, dict):
        for key, value in given.items():
            if isinstance(read, dict) and key in read:
                yield from unknown(value, read[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(given, list) and isinstance(read, list):
        for number, (one, other) in enumerate(itertools.zip_longest(given, read)):
            yield from unknown(one, other, f"{path}[{number}]")
    elif given != read:
        yield f"{path}: {given!r} is read as {read!r}"


@pytest.mark.parametrize("board", BUILT.values(), ids=BUILT)
def test_grafanas_own_types_know_every_field(board: dict[str, Any]) -> None:
    """Those of Grafana's Foundation SDK, which drop what they do not know, options and queries of the plugins included."""
    register_default_plugins()
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert list(unknown(board, read)) == []


@pytest.mark.parametrize("board", BUILT.values(), ids=BUILT)
def test_panels_lie_on_the_grid_and_do_not_overlap(board: dict[str, Any]) -> None:
    cells: list[tuple[int, int]] = []
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= COLUMNS
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells += itertools.product(columns, rows)
    assert len(set(cells)) == len(cells)


def shop_engine() -> AlertEngine:
    """The samples that the pipeline makes of the shop."""
    engine = AlertEngine([])
    graph = ServiceGraphMetrics(shop.NOW - 3600 * shop.SECOND)
    for number in range(1, shop.TRACES):
        made = shop.trace(number)
        _, hops = shop.trace_documents(made)
        graph.add(hops)
        at = made.spans[0].start + 5 * shop.SECOND
        engine.samples.add([point for metric in graph.metrics(at) for point in points_of(metric)])
        severities = {"INFO": number, "ERROR": max(0, (number - shop.FAULTY_FROM) // 5 + 1)}
        for severity, count in severities.items():
            labels = (("service", "payment"), ("severity", severity))
            engine.samples.add([Point(Series(LOG_RECORDS, labels), at, float(count))])
    bodies = [document.body for document in shop.documents() if document.kind is Kind.ANOMALY]
    engine.samples.add(anomaly_points(map(anomaly_from_body, bodies)))
    suspects = (Suspect("payment", 0.9), Suspect("checkout", 0.2))
    engine.samples.add(culprit_points(CulpritRanking(shop.NOW - 100 * shop.SECOND, "default", "a", suspects)))
    firing = (("alertname", "SlowService"), ("alertstate", "firing"), ("service", "payment"))
    engine.samples.add([Point(Series("ALERTS", firing), shop.NOW - 20 * shop.SECOND, 1.0)])
    return engine


@pytest.fixture(scope="module")
def engine() -> AlertEngine:
    return shop_engine()


async def ask(engine: AlertEngine, expr: str, *, instant: bool) -> list[dict[str, Any]]:
    app = Starlette(routes=PrometheusApi(lambda: {"default": engine}, lambda: shop.NOW, "0").routes())
    for name, window in (("$__rate_interval", "2m"), ("$__range", "15m")):
        expr = expr.replace(name, window)
    assert "$" not in expr
    end = shop.NOW // shop.SECOND
    path, form = ("query", {"time": end}) if instant else ("query_range", {"start": end - 600, "end": end, "step": 30})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console/prometheus/api/v1") as client:
        answer = await client.post(f"/{path}", data={"query": expr, **{name: str(value) for name, value in form.items()}})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


@pytest.mark.parametrize(("expr", "instant"), TARGETS)
async def test_each_query_has_an_answer_on_the_shops_data(engine: AlertEngine, expr: str, instant: bool) -> None:  # noqa: FBT001
    found = await ask(engine, expr, instant=instant)
    values = [float(value) for series in found for _, value in (series.get("values") or [series["value"]])]
    assert any(value > 0 for value in values), found


async def test_shares_are_those_of_a_count_over_all_calls(engine: AlertEngine) -> None:
    (panel,) = [panel for name, panel in PANELS if name == "spanloom-services.json" and panel["title"] == "Failed calls"]
    (found,) = await ask(engine, panel["targets"][0]["expr"], instant=True)
    hops = [hop for number in range(1, shop.TRACES) for hop in shop.trace_documents(shop.trace(number))[1]]
    assert float(found["value"][1]) == pytest.approx(sum(hop.failed for hop in hops) / len(hops), rel=0.05)


HEALTH = {
    "spanloom-prometheus": "/api/v1/query?query=1%2B1&time=4",
    "spanloom-tempo": "/api/echo",
    "spanloom-jaeger": "/api/services",
}
"""What Grafana's data sources ask when somebody presses *Save & test*."""


async def test_the_data_sources_health_checks_are_answered_to_a_viewer_alone(
    stored: DuckDbStore, engine: AlertEngine, tmp_path: Path
) -> None:
    assert HEALTH.keys() == SOURCES.keys()
    token, reader = new_token(), Reader(stored)
    access = {"tokens": [{"name": "grafana", "role": Role.VIEWER.value, "hash": token_hash(token)}]}
    routes = [
        *PrometheusApi(lambda: {"default": engine}, lambda: shop.NOW, "0").routes(),
        *TempoApi(reader, lambda: shop.NOW, "0").routes(),
        *JaegerApi(reader, lambda: shop.NOW).routes(),
    ]
    built = build_access(Config.model_validate({"data_dir": tmp_path, "access": access}), CollectorRegistry(), lambda: shop.NOW)
    guarded = built.guard(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(guarded), base_url="http://127.0.0.1:8080") as client:
        for uid, path in HEALTH.items():
            source = SOURCES[uid]
            url = source["url"].replace("$SPANLOOM_URL", "http://127.0.0.1:8080") + path
            name = source["jsonData"]["httpHeaderName1"]
            value = source["secureJsonData"]["httpHeaderValue1"].replace("$SPANLOOM_TOKEN", token)
            assert (await client.get(url, headers={name: value})).status_code == 200, uid
            assert (await client.get(url)).status_code == 401, uid
    await built.close()
