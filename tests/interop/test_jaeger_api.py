"""Jaeger's API as Jaeger itself answers it, given the same spans: its answers are recorded, see jaeger_answers.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from dashboards.jaeger_api.routes import JaegerApi
from dashboards.jaeger_api.spans import NO_SERVICE
from dashboards.read_models.reader import Reader
from stores.duckdb.store import DuckDbStore
from tests.dashboards import shop
from tests.interop import jaeger_cases as cases
from tests.interop.jaeger_answers import RECORDED, ids_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

THEIRS: dict[str, Any] = json.loads(RECORDED.read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx2.AsyncClient]:
    store = DuckDbStore(tmp_path_factory.mktemp("jaeger") / "spans.duckdb")
    assert not (await store.write(cases.documents())).rejected
    app = Starlette(routes=JaegerApi(Reader(store), lambda: shop.NOW).routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console/jaeger/api/") as client:
        yield client
    await store.close()


def spans(answer: Any) -> dict[str, Any]:
    """Spans by their id, each with its process in place of the name of it."""
    (trace,) = answer["data"]
    return {span["spanID"]: span | {"processID": trace["processes"][span["processID"]]} for span in trace["spans"]}


def otlp_spans(answer: Any) -> Iterator[tuple[str, Any]]:
    """Spans by their id, each with its resource and scope, attributes by name."""
    for by_resource in answer["result"]["resourceSpans"]:
        for by_scope in by_resource["scopeSpans"]:
            for span in by_scope["spans"]:
                yield span["spanId"], by_name([span, by_resource["resource"], by_scope.get("scope", {})])


MOVED = ({"stringValue": "spans-own"}, {"stringValue": NO_SERVICE})
"""Jaeger moves what a span says of its SDK to the resource, and names a service that has no name. We give what was sent."""


def in_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def by_name(value: Any) -> Any:
    """Attributes and events have no order; what has its default may be left out."""
    if isinstance(value, dict):
        return {
            key: sorted(by_name(item), key=in_text) if key in {"attributes", "events", "values"} else by_name(item)
            for key, item in value.items()
            if item not in ({}, [], "", 0, None) or key in {"boolValue", "intValue", "doubleValue", "stringValue"}
        }
    if isinstance(value, list):
        return [by_name(item) for item in value if not (isinstance(item, dict) and item.get("value") in MOVED)]
    return value


@pytest.mark.parametrize("path", cases.TRACES)
async def test_a_trace_is_that_of_jaeger_field_by_field(ours: httpx2.AsyncClient, path: str) -> None:
    found, wanted = (await ours.get(path)).json(), THEIRS[path]
    assert {key: value for key, value in found.items() if key != "data"} == {
        key: value for key, value in wanted.items() if key != "data"
    }
    mine, other = spans(found), spans(wanted)
    assert mine.keys() == other.keys()
    for span_id, span in other.items():
        assert mine[span_id] == span
    assert found["data"][0].keys() == wanted["data"][0].keys()
    assert found["data"][0]["traceID"] == wanted["data"][0]["traceID"]


@pytest.mark.parametrize("path", cases.TRACES_V3)
async def test_a_trace_in_version_3_is_that_of_jaeger(ours: httpx2.AsyncClient, path: str) -> None:
    assert dict(otlp_spans((await ours.get(path)).json())) == dict(otlp_spans(THEIRS[path]))


@pytest.mark.parametrize("path", [*cases.SEARCHES, *cases.SEARCHES_V3])
async def test_a_search_finds_the_traces_that_jaeger_finds(ours: httpx2.AsyncClient, path: str) -> None:
    answer = await ours.get(path)
    assert answer.status_code == 200
    assert ids_of(answer.json()) == THEIRS[path]


@pytest.mark.parametrize("path", cases.NAMES)
async def test_services_and_operations_are_those_of_jaeger(ours: httpx2.AsyncClient, path: str) -> None:
    """In the order of their names, where Jaeger has none. That some sent no name is seen in their traces only."""
    found, wanted = (await ours.get(path)).json(), THEIRS[path]
    assert found.keys() == wanted.keys()
    for key, value in found.items():
        if not isinstance(value, list):
            assert value == (wanted[key] if key != "total" else len(found["data"]))
            continue
        there = [item for item in wanted[key] or [] if item != NO_SERVICE]
        assert value == sorted(there, key=in_order)


def in_order(item: Any) -> tuple[str, ...]:
    return (item,) if isinstance(item, str) else (item["name"], item["spanKind"])


@pytest.mark.parametrize("path", cases.DEPENDENCIES)
async def test_dependencies_are_those_of_jaeger_between_services(ours: httpx2.AsyncClient, path: str) -> None:
    """Jaeger's storage in memory also counts the spans that a service has below its own."""
    found, wanted = (await ours.get(path)).json()["data"], THEIRS[path]["data"]
    between = [link for link in wanted if link["parent"] != link["child"] and link["child"]]
    assert found == sorted(between, key=lambda link: (link["parent"], link["child"]))


@pytest.mark.parametrize("path", cases.REFUSED)
async def test_what_is_wrong_or_absent_is_refused_as_by_jaeger(ours: httpx2.AsyncClient, path: str) -> None:
    answer = await ours.get(path)
    assert answer.status_code == THEIRS[path]
    body = answer.json()
    assert (body["error"]["httpCode"] if "v3" in path else body["errors"][0]["code"]) == answer.status_code
