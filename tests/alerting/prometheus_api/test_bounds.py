"""What a query may cost: its answer, its time, its form; and that others have their turn meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.prometheus_api import evaluation
from alerting.prometheus_api.evaluation import Evaluator, QueryTimeoutError
from alerting.prometheus_api.parameters import MAX_FIELDS, MAX_FORM, TimeRange
from alerting.prometheus_api.routes import PrometheusApi
from alerting.promql.query import compile_query
from alerting.rules.engine import AlertEngine
from components.durations import SECOND
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_700_000_000 * SECOND


def engine(series: int) -> AlertEngine:
    made = AlertEngine([])
    made.samples.add(Point(Series("load", (("host", f"h{number}"),)), START, float(number)) for number in range(series))
    return made


@pytest.fixture
def client() -> Iterator[TestClient]:
    engines = {"default": engine(3), "staging": engine(1)}
    with TestClient(Starlette(routes=PrometheusApi(lambda: engines, lambda: START, "1").routes())) as made:
        yield made


def count(client: TestClient, **more: str) -> Any:
    return client.get("/prometheus/api/v1/query", params={"query": "count(load)", **more}).json()["data"]["result"][0]["value"][
        1
    ]


def test_each_environment_has_samples_of_its_own(client: TestClient) -> None:
    assert (count(client), count(client, environment="staging")) == ("3", "1")


def test_the_only_environment_that_is_here_needs_no_name() -> None:
    api = PrometheusApi(lambda: {"staging": engine(2)}, lambda: START, "1")
    with TestClient(Starlette(routes=api.routes())) as client:
        assert count(client) == "2"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"query=" + b"x" * MAX_FORM, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * (MAX_FIELDS + 1), "application/x-www-form-urlencoded", 400),
        (b"query=%ff\xff", "application/x-www-form-urlencoded", 400),
        (b'{"query": "1"}', "application/json", 400),
    ],
)
def test_what_is_no_small_form_is_refused(client: TestClient, body: bytes, kind: str, status: int) -> None:
    answer = client.post("/prometheus/api/v1/query", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["status"]) == (status, "error")


def test_an_answer_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_SAMPLES", 4)
    begin = START // SECOND
    asked = {"query": "load", "start": str(begin), "end": str(begin + 1), "step": "1"}
    answer = client.get("/prometheus/api/v1/query_range", params=asked)
    assert (answer.status_code, answer.json()["errorType"]) == (422, "execution")


async def test_a_query_over_a_long_range_lets_others_go_on_and_ends_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("alerting.prometheus_api.evaluation.time.monotonic", lambda: next(clock) / 100)
    over, samples = TimeRange(START, START + 10_000 * SECOND, SECOND), engine(1).samples
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    with pytest.raises(QueryTimeoutError):
        await Evaluator().over_range(compile_query("load"), samples, over, 5.0)
    beside.cancel()
    assert others > 100


async def test_queries_wait_for_their_turn_no_longer_than_they_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_AT_ONCE", 0)
    with pytest.raises(QueryTimeoutError, match="queue"):
        await Evaluator().instant(compile_query("1"), engine(1).samples, START, 0.01)


ENDLESS = "sum_over_time(sum_over_time(sum_over_time(vector(1)[11000s:1s])[11000s:1s])[11000s:1s])"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("query", {"query": ENDLESS}),
        ("query", {"query": f"({ENDLESS})[11000s:1s]"}),
        ("query", {"query": " or ".join(["load"] * 200)}),
        ("query_range", {"query": ENDLESS, "start": "1", "end": "2", "step": "1"}),
        ("series", {"match[]": ["load"] * 900}),
        ("labels", {"match[]": ["load"] * 900}),
    ],
)
def test_what_nothing_can_interrupt_ends_soon(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, asked: dict[str, Any]
) -> None:
    clock = iter(range(1_000_000))
    monkeypatch.setattr("alerting.prometheus_api.evaluation.time.monotonic", lambda: next(clock) / 100)
    answer = client.post(f"/prometheus/api/v1/{path}", data=asked)
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")
    assert next(clock) < 200, "it went on after its time"
