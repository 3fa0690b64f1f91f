"""Prometheus' HTTP API as its own clients use it, and beside a real Prometheus that has the same samples.

Prometheus and promtool are Debian's package; without it these tests are skipped.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from alerting.rules.files import load_rules
from components.durations import SECOND
from tests.interop.promql_answers import hour, same
from tests.interop.promql_cases import EXPRESSIONS, START, reaching_back_as_242  # noqa: F401  # a fixture
from tests.interop.test_prometheus import PROMETHEUS, PROMTOOL, running
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool on the PATH (Debian: prometheus)"),
]

NOW = START + 1800
RANGES = [
    {"start": START + 301.35, "end": START + 1101.35, "step": "61.7"},
    {"start": START + 907.35, "end": START + 937, "step": "7100ms"},
]
"""Of steps at which no sample is, nor one as old as a range is wide: there a 2.42 and a 3 differ."""


@contextmanager
def served(engine: AlertEngine) -> Iterator[str]:
    """The API over an engine, by the URL of it."""
    app = Starlette(routes=PrometheusApi(lambda: {"default": engine}, lambda: NOW * SECOND, "test").routes())
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield f"http://127.0.0.1:{port}/prometheus"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    engine = AlertEngine([])
    engine.samples = hour()
    with served(engine) as url:
        yield url


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def ask(url: str, path: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    form = urllib.parse.urlencode(parameters).encode()  # a client of its own for each of a thousand requests costs more
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", form, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def comparable(result: Any) -> Any:
    """Series by their labels, values as numbers."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        return {
            frozenset(one["metric"].items()): [(at, float(value)) for at, value in one.get("values") or [one["value"]]]
            for one in result
        }
    return result


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            [at for at, _ in one[key]] == [at for at, _ in other[key]]
            and all(same(a, b) for (_, a), (_, b) in zip(one[key], other[key], strict=True))
            for key in one
        )
    return bool(one == other)


@pytest.mark.usefixtures("reaching_back_as_242")
@pytest.mark.parametrize("over", RANGES, ids=["minutes", "between"])
def test_ranges_are_answered_as_by_prometheus(ours: str, theirs: str, over: dict[str, Any]) -> None:
    different, elements = [], 0
    for text in (text for texts in EXPRESSIONS.values() for text in texts):
        (status, found), (wanted_status, wanted) = (ask(url, "query_range", query=text, **over) for url in (ours, theirs))
        refused, wanted_refused = status in {400, 422}, wanted_status in {400, 422}  # ours knows some mistakes beforehand
        if refused or wanted_refused:
            if not (refused and wanted_refused):
                different.append(f"{text}: {status} {found} for {wanted_status} {wanted}"[:400])
        else:
            mine, other = (comparable(answer["data"]["result"]) for answer in (found, wanted))
            elements += sum(map(len, other.values())) if isinstance(other, dict) else 0
            if not equal(mine, other):
                different.append(text)
    assert not different, "\n".join(different[:10])
    assert elements > 5_000


@pytest.mark.parametrize(
    "query",
    [
        "1.5e-5",
        "2",
        '"x"',
        "(memory[2m])",
        "time()",
        "1e30",
        "1e-9",
        "-1/0",
        "vector(0.00001)",
        "memory[5m:1m]",
        "memory @ end()",
    ],
)
def test_results_of_every_type_are_written_as_by_prometheus(ours: str, theirs: str, query: str) -> None:
    parameters = {"query": query, "time": f"{START + 1000.5}"}
    (status, found), (_, wanted) = (ask(url, "query", **parameters) for url in (ours, theirs))
    assert status == 200
    assert found["data"]["resultType"] == wanted["data"]["resultType"]
    mine, other = (comparable(answer["data"]["result"]) for answer in (found, wanted))
    if "[" in query:  # a 2.42 has the sample at the beginning of a range too
        begins = START + 1000.5 - (120 if "2m" in query else 300)
        other = {key: [point for point in points if point[0] > begins] for key, points in other.items()}
    assert equal(mine, other)


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": "sum("}),
        ("query", {"query": ""}),
        ("query", {"query": "up", "time": "yesterday"}),
        ("query_range", {"query": "up", "start": "5", "end": "4", "step": "1"}),
        ("query_range", {"query": "up", "start": "0", "end": "20000", "step": "1"}),
        ("query_range", {"query": "up", "start": "0", "end": "20", "step": "0"}),
        ("query_range", {"query": "up", "start": "0", "end": "20"}),
        ("query_range", {"query": "memory[5m]", "start": "0", "end": "20", "step": "1"}),
        ("series", {}),
        ("series", {"match[]": "sum(memory)"}),
        ("labels", {"start": "x"}),
    ],
)
def test_what_is_wrong_is_refused_as_by_prometheus(ours: str, theirs: str, path: str, parameters: dict[str, str]) -> None:
    (status, found), (wanted_status, wanted) = (ask(url, path, **parameters) for url in (ours, theirs))
    assert (status, found["status"], found["errorType"]) == (wanted_status, wanted["status"], wanted["errorType"])
    assert found["error"]


def test_many_to_many_is_an_execution_error(ours: str, theirs: str) -> None:
    for url in (ours, theirs):
        status, found = ask(url, "query", query="requests + on() requests", time=START + 900)
        assert (status, found["errorType"]) == (422, "execution")


@pytest.mark.parametrize("stretch", [{}, {"start": START + 100, "end": START + 200}, {"start": 5, "end": 6}])
def test_series_labels_and_values_are_those_of_prometheus(ours: str, theirs: str, stretch: dict[str, int]) -> None:
    """But that it looks in blocks of hours, and we at each sample: so both have all, or none."""
    for path, more in (("series", {"match[]": '{__name__=~".+"}'}), ("labels", {}), ("labels", {"match[]": "memory"})):
        (_, found), (_, wanted) = (ask(url, path, **more, **stretch) for url in (ours, theirs))
        assert found["data"] == sorted(wanted["data"], key=lambda one: sorted(one.items()) if isinstance(one, dict) else one)
    for name in ("__name__", "service", "nothing"):
        answers = [httpx2.get(f"{url}/api/v1/label/{name}/values", params=stretch).json()["data"] for url in (ours, theirs)]
        assert answers[0] == answers[1]


def promtool(*arguments: str) -> str:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], check=True, capture_output=True, text=True).stdout


def test_promtool_queries_as_it_queries_prometheus(ours: str, theirs: str) -> None:
    at = str(START + 900)
    for command in (
        ["instant", "--time", at, "{}", "max by (status) (requests)"],
        ["range", "--start", at, "--end", str(START + 1200), "--step", "60s", "{}", "max(memory)"],
        ["labels", "--start", at, "--end", str(START + 1200), "{}", "service"],
    ):
        answers = [promtool("query", *(part.format(url) for part in command)) for url in (ours, theirs)]
        found, wanted = (sorted(answer.split("\n")) for answer in answers)
        assert found == wanted
        assert any(line.strip() for line in wanted)
    series = ["query", "series", "--match", "memory", "--start", str(START), "--end", str(START + 600)]
    assert set(promtool(*series, ours).split("\n")) == set(promtool(*series, theirs).split("\n"))


def test_what_grafana_asks_a_data_source(ours: str) -> None:
    """Its health check and its first look: `grafana/pkg/promlib` asks these."""
    assert ask(ours, "query", query="1+1", time=NOW)[1]["data"] == {"resultType": "scalar", "result": [NOW, "2"]}
    built = httpx2.get(f"{ours}/api/v1/status/buildinfo").json()["data"]
    assert built["version"].startswith("3.")
    known = httpx2.get(f"{ours}/api/v1/metadata").json()["data"]
    assert known["memory"] == [{"type": "gauge", "help": "", "unit": ""}]
    limited = httpx2.get(f"{ours}/api/v1/label/__name__/values", params={"limit": 1}).json()
    assert len(limited["data"]) == 1
    assert limited["warnings"]


def test_rules_and_alerts_are_those_of_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("groups: [{name: g, rules: [{alert: Always, expr: vector(1)}, {record: 'a:b', expr: vector(2)}]}]")
    engine = AlertEngine(load_rules([file]))
    engine.advance(NOW * SECOND)
    with served(engine) as url:
        rules = httpx2.get(f"{url}/api/v1/rules").json()["data"]["groups"]
        assert [(rule["name"], rule["type"]) for rule in rules[0]["rules"]] == [("Always", "alerting"), ("a:b", "recording")]
        recording = httpx2.get(f"{url}/api/v1/rules", params={"type": "record"}).json()["data"]["groups"]
        assert [rule["name"] for rule in recording[0]["rules"]] == ["a:b"]
        (alert,) = httpx2.get(f"{url}/api/v1/alerts").json()["data"]["alerts"]
        assert (alert["labels"], alert["state"]) == ({"alertname": "Always"}, "firing")
        assert ask(url, "query", query='ALERTS{alertname="Always"}', time=NOW)[1]["data"]["result"][0]["value"][1] == "1"
        missing = httpx2.get(f"{url}/api/v1/alerts", params={"environment": "staging"})
        assert (missing.status_code, "here: default" in missing.text) == (400, True)


def test_numbers_are_text_that_json_can_hold(ours: str) -> None:
    for query, value in (("0/0", "NaN"), ("1/0", "+Inf")):
        found = ask(ours, "query", query=query, time=NOW)[1]["data"]["result"][1]
        assert found == value
        assert json.dumps(found, allow_nan=False)
        assert not math.isfinite(float(found))
