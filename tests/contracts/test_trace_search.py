"""The console's search of traces on every store: what is found and counted is what a look at every span finds."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import httpx2
from fastapi import FastAPI

from dashboards.api.routes import answer_errors
from dashboards.api.traces import answer_search_errors, trace_routes
from dashboards.read_models.reader import Reader
from dashboards.search import trace_scores
from telemetry.documents import Kind, anomaly_document
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from tests.dashboards import shop
from tests.interop import jaeger_cases as cases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from stores.store import Store
    from telemetry.documents import Body, Document


def attribute(body: Body, name: str) -> object:
    """The span's own, else its resource's."""
    return body["attributes"].get(name, body["resource"]["attributes"].get(name))


def service(body: Body) -> str:
    return str(body["resource"]["attributes"].get("service.name", ""))


def number(body: Body, name: str) -> float:
    value = attribute(body, name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


SEARCHES: dict[str, Callable[[Body], bool]] = {
    "": lambda _: True,
    "service=payment": lambda body: service(body) == "payment",
    "service=payment and duration>100ms": lambda body: service(body) == "payment" and body["duration"] > 100 * shop.MS,
    "service=payment duration<=20ms": lambda body: service(body) == "payment" and body["duration"] <= 20 * shop.MS,
    "service!=payment": lambda body: service(body) not in {"", "payment"},
    "service=~'pay.*|ship.*'": lambda body: service(body).startswith(("pay", "ship")),
    "not (service=payment or service=frontend) and kind=client": lambda body: (
        service(body) not in {"payment", "frontend"} and body["kind"] == "Client"
    ),
    "status=error": lambda body: body["status"]["code"] == "Error",
    "status!=error and pay": lambda body: (
        body["status"]["code"] != "Error" and ("pay" in service(body) or "pay" in body["name"].lower())
    ),
    "http.response.status_code>=500": lambda body: number(body, "http.response.status_code") >= 500,
    "http.response.status_code=~'50.'": lambda body: str(attribute(body, "http.response.status_code")).startswith("50"),
    "http.response.status_code!=503": lambda body: attribute(body, "http.response.status_code") not in {None, 503, "503"},
    "http.response.status_code=nil": lambda body: attribute(body, "http.response.status_code") is None,
    "yes=true no=false zero=0 ratio<0.3 whole=2": lambda body: "yes" in body["attributes"],
    "host.cpus=8 and resource.host.arm=false": lambda body: attribute(body, "host.cpus") == 8,
    "span.host.cpus=8": lambda _: False,
    "list=2.5 or list=nothing": lambda body: "list" in body["attributes"],
    "large>=4611686018427387904": lambda body: number(body, "large") >= 2**62,
    "trace_id=a1b2c3d4e5f60718 and span_id=1": lambda body: (
        body["trace_id"].endswith("a1b2c3d4e5f60718") and body["span_id"].endswith("1")
    ),
    f"{shop.trace(9).id.hex()}": lambda body: body["trace_id"] == shop.trace(9).id.hex(),
    "status.message='it broke' and scope.name=odd.library": lambda body: body["status"].get("message") == "it broke",
}


async def asked_of(store: Store, path: str, **parameters: object) -> tuple[int, Body]:
    app = FastAPI()
    app.include_router(trace_routes(Reader(store), lambda: shop.NOW))
    answer_errors(app)
    answer_search_errors(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        response = await client.get(path, params={key: str(value) for key, value in parameters.items()})
    return response.status_code, response.json()


async def test_a_search_finds_counts_pages_and_orders_what_python_does(store: Store) -> None:
    documents = cases.documents()
    assert not (await store.write(documents)).rejected
    await store.refresh(list(Kind))
    spans = [document.body | {"@timestamp": document.time} for document in documents if document.kind is Kind.SPAN]
    different = []
    for text, holds in SEARCHES.items():
        matching: dict[str, list[Body]] = defaultdict(list)
        for body in spans:
            if holds(body):
                matching[body["trace_id"]].append(body)
        for order, key in (("newest", "@timestamp"), ("slowest", "duration")):
            most = {trace_id: max(body[key] for body in found) for trace_id, found in matching.items()}
            wanted = sorted(most, key=lambda trace_id: (-most[trace_id], trace_id))
            found: list[tuple[str, int, int]] = []
            cursor, total = "", -1
            while cursor is not None:
                status, answer = await asked_of(store, "/api/v1/traces", q=text, order=order, limit=3, cursor=cursor)
                assert status == 200, answer
                found += [(row["trace_id"], row["matched"]["spans"], row["matched"]["slowest"]) for row in answer["traces"]]
                cursor, total = answer["cursor"], answer["total"]
            counted = [(one, len(matching[one]), max(body["duration"] for body in matching[one])) for one in wanted]
            if found != counted or total != len(wanted):
                different.append((text, order, found, counted, total))
        status, answer = await asked_of(store, "/api/v1/traces/facets", q=text, field="service")
        counts = Counter(service(body) for found in matching.values() for body in found if service(body))
        if {one["value"]: one["spans"] for one in answer["facets"][0]["values"]} != counts or answer["spans"] != sum(
            map(len, matching.values())
        ):
            different.append((text, answer, counts))
    assert different == []


async def test_rows_are_those_of_the_newest_revision_and_of_open_traces(store: Store) -> None:
    documents = cases.documents()
    await store.write(documents)
    await store.refresh(list(Kind))
    traces = {document.body["trace_id"]: document.body for document in documents if document.kind is Kind.TRACE}
    _, answer = await asked_of(store, "/api/v1/traces", limit=200)
    rows = {row["trace_id"]: row for row in answer["traces"]}
    assert rows.keys() == {document.body["trace_id"] for document in documents if document.kind is Kind.SPAN}
    for trace_id, row in rows.items():
        trace = traces.get(trace_id)
        assert row["open"] is (trace is None)
        if trace is not None:
            assert (row["span_count"], row["duration"], row["root"]["service"]) == (
                trace["span_count"],
                trace["duration"],
                trace["root"]["service"],
            )
        else:
            spans = [d.body for d in documents if d.kind is Kind.SPAN and d.body["trace_id"] == trace_id]
            assert row["span_count"] == len(spans)


SCORED: dict[str, Callable[[float | None], bool]] = {
    "anomaly.score>0.9": lambda score: score is not None and score > 0.9,
    "anomaly.score>=0.97": lambda score: score is not None and score >= 0.97,
    "anomaly.score>0.97": lambda score: score is not None and score > 0.97,
    "anomaly.score<0.9": lambda score: score is not None and score < 0.9,
    "anomaly.score<=0.82": lambda score: score is not None and score <= 0.82,
    "anomaly.score!=nil": lambda score: score is not None,
    "anomaly.score=nil": lambda score: score is None,
    "not anomaly.score>0.9": lambda score: score is None or score <= 0.9,
    "anomaly.score>0.6 and anomaly.score<0.9": lambda score: score is not None and 0.6 < score < 0.9,
}


async def test_scores_of_whole_traces_are_searched_by_as_their_anomalies_say(store: Store) -> None:
    documents = cases.documents()
    spans = [document.body for document in documents if document.kind is Kind.SPAN]
    first, second, third, *_ = dict.fromkeys(body["trace_id"] for body in spans)
    of_traces = {0.82: (first, second), 0.97: (first,), 0.5: (third,)}
    found = [anomaly(AnomalyKind.TRACE, score, ids) for score, ids in of_traces.items()]
    documents += [*found, anomaly(AnomalyKind.LATENCY, 0.99, (second, third))]  # which is not one of a whole trace
    assert not (await store.write(documents)).rejected
    await store.refresh(list(Kind))
    scores = {first: 0.97, second: 0.82, third: 0.5}
    different = []
    for text, meets in SCORED.items():
        matching = Counter(body["trace_id"] for body in spans if meets(scores.get(body["trace_id"])))
        status, answer = await asked_of(store, "/api/v1/traces", q=text, limit=200)
        assert status == 200, answer
        rows = {row["trace_id"]: row["matched"]["spans"] for row in answer["traces"]}
        if (rows, answer["total"]) != (matching, len(matching)):
            different.append((text, rows, matching))
        _, answer = await asked_of(store, "/api/v1/traces/facets", q=text, field="service")
        if answer["spans"] != matching.total():
            different.append((text, answer, matching))
    assert different == []


async def test_more_scores_than_are_read_are_refused_and_not_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_scores, "MAX_ANOMALIES", 1)
    documents = cases.documents()
    ids = next(document.body["trace_id"] for document in documents if document.kind is Kind.SPAN)
    await store.write([*documents, *(anomaly(AnomalyKind.TRACE, score, (ids,)) for score in (0.8, 0.9))])
    await store.refresh(list(Kind))
    status, answer = await asked_of(store, "/api/v1/traces", q="anomaly.score>0.9")
    assert (status, "search for less time" in answer["error"]) == (400, True)


def anomaly(kind: AnomalyKind, score: float, trace_ids: Sequence[str]) -> Document:
    """An anomaly of these traces, at the time of the first of the shop."""
    start = shop.trace(1).spans[0].start + int(score * shop.MS)
    series, ids = Series("spanloom_odd_traces", (("service", "shop"),)), tuple(map(bytes.fromhex, trace_ids))
    return anomaly_document(
        Anomaly(kind, series, "shop", start, start + shop.MS, score, 0.1, 1.0, "", f"score {score}", trace_ids=ids)
    )


async def test_a_row_has_the_highest_score_of_the_anomalies_of_whole_traces_that_name_it(store: Store) -> None:
    documents = cases.documents()
    first, second, *_ = (document.body["trace_id"] for document in documents if document.kind is Kind.TRACE)
    named = {0.82: (first, second), 0.97: (first,)}
    anomalies = [
        Anomaly(
            kind,
            Series("spanloom_trace_score", (("number", f"{kind} {score}"),)),
            "payment",
            shop.NOW,
            shop.NOW,
            score if kind is AnomalyKind.TRACE else 0.99,
            0.0,
            1.0,
            "1",
            f"{score} because",
            trace_ids=tuple(map(bytes.fromhex, trace_ids)),
        )
        for kind in (AnomalyKind.TRACE, AnomalyKind.LATENCY)
        for score, trace_ids in named.items()
    ]
    await store.write([*documents, *map(anomaly_document, anomalies)])
    await store.refresh(list(Kind))
    _, answer = await asked_of(store, "/api/v1/traces", limit=200)
    rows = {row["trace_id"]: row["anomaly"] for row in answer["traces"]}
    assert rows[first] == {"score": 0.97, "why": "0.97 because", "why_parts": None}
    assert rows[second] == {"score": 0.82, "why": "0.82 because", "why_parts": None}
    assert all(anomaly is None for trace_id, anomaly in rows.items() if trace_id not in {first, second})


async def test_the_heatmap_holds_every_span_once(store: Store) -> None:
    documents = cases.documents()
    await store.write(documents)
    await store.refresh(list(Kind))
    durations = [document.body["duration"] for document in documents if document.kind is Kind.SPAN]
    since = min(document.time for document in documents if document.kind is Kind.SPAN)
    status, answer = await asked_of(store, "/api/v1/traces/heatmap", since=since, until=shop.NOW, columns=7, rows=5)
    assert status == 200, answer
    rows = Counter({row: sum(column[row] for column in answer["counts"]) for row in range(5)})
    bounds = answer["durations"]
    assert rows == Counter({row: sum(bounds[row] <= one < bounds[row + 1] for one in durations) for row in range(5)})
    assert answer["spans"] == len(durations)
    assert len(answer["counts"]) <= 8
    status, answer = await asked_of(store, "/api/v1/traces/heatmap", until=5)
    assert (status, answer["spans"]) == (200, 0)


async def test_a_mistake_is_answered_with_its_place(store: Store) -> None:
    status, answer = await asked_of(store, "/api/v1/traces", q="status=eror")
    assert (status, answer["at"], answer["length"], answer["did_you_mean"]) == (400, 7, 4, "error")
    for parameters in ({"limit": 0}, {"cursor": "x"}, {"cursor": "9999"}, {"order": "x"}, {"q": "a" * 5000}, {"unknown": 1}):
        status, answer = await asked_of(store, "/api/v1/traces", **parameters)
        assert status == 400
        assert answer["error"]
    status, _ = await asked_of(store, "/api/v1/traces/heatmap", since=9, until=3)
    assert status == 400
