"""The saved objects of Kibana: what is committed, what it names, and what Elasticsearch answers to each panel."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dashboards.kibana.definitions import DASHBOARDS, KINDS
from dashboards.kibana.saved_objects import COLUMNS, ndjson, saved_objects
from stores.elasticsearch.client import connect
from stores.elasticsearch.mappings import mappings
from stores.elasticsearch.store import ElasticsearchStore, open_elasticsearch
from stores.elasticsearch.templates import data_stream, install
from stores.layout import SIGNALS
from stores.store import Query
from telemetry.documents import Kind, latest, link_query_document
from tests.dashboards.demo_run import run_demo
from tests.dashboards.kibana.documents import bodies, documents
from tests.dashboards.kibana.lens import SavedPanel, in_time, panels, request, values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from elasticsearch import AsyncElasticsearch

    from telemetry.documents import Document

SAVED = Path(__file__).parents[3] / "dashboards" / "kibana" / "spanloom.ndjson"
OBJECTS: list[dict[str, Any]] = [json.loads(line) for line in SAVED.read_bytes().splitlines()]
PANELS = {panel.name: panel for panel in panels(OBJECTS)}
KIND_OF = {data_stream(kind, "*"): kind for kind in Kind}

pytestmark = pytest.mark.timeout(600)  # the first test of a session waits for Elasticsearch, the pipeline and the shop

each_panel = pytest.mark.parametrize("panel", PANELS.values(), ids=list(PANELS))


def test_the_committed_file_is_what_the_definitions_build() -> None:
    assert SAVED.read_bytes() == ndjson(saved_objects(KINDS, DASHBOARDS)), "run python -m dashboards.kibana"


def test_there_is_a_dashboard_for_each_question() -> None:
    ids = [item["id"].removeprefix("spanloom-") for item in OBJECTS if item["type"] == "dashboard"]
    assert ids == ["services", "map", "hops", "traces", "logs", "anomalies", "repairs"]


def test_every_panel_has_a_name_of_its_own_in_its_dashboard() -> None:
    assert len(PANELS) == sum(len(dashboard.panels) for dashboard in DASHBOARDS)


def test_every_object_says_its_versions_and_refers_only_to_objects_before_it() -> None:
    known = set()
    for item in OBJECTS:
        assert item["coreMigrationVersion"]
        assert item["typeMigrationVersion"]
        for reference in item["references"]:
            assert (reference["type"], reference["id"]) in known, f"{item['id']}: {reference['name']}"
        assert (item["type"], item["id"]) not in known
        known.add((item["type"], item["id"]))


ATTRIBUTES: dict[str, dict[str, type]] = {
    "dashboard": {
        **dict.fromkeys(("title", "description", "timeFrom", "timeTo", "panelsJSON", "optionsJSON"), str),
        **dict.fromkeys(("kibanaSavedObjectMeta", "refreshInterval", "controlGroupInput"), dict),
        "timeRestore": bool,
        "version": int,
    },
    "search": {
        **dict.fromkeys(("title", "description", "breakdownField", "viewMode", "density"), str),
        **dict.fromkeys(("columns", "sort"), list),
        **dict.fromkeys(("grid", "kibanaSavedObjectMeta", "timeRange", "refreshInterval", "visContext"), dict),
        **dict.fromkeys(("hideChart", "isTextBasedQuery", "usesAdHocDataView", "timeRestore", "hideAggregatedPreview"), bool),
        **dict.fromkeys(("rowHeight", "rowsPerPage", "sampleSize", "headerRowHeight"), int),
    },
    "index-pattern": {
        **dict.fromkeys(("title", "name", "timeFieldName", "fieldFormatMap", "fieldAttrs", "fields"), str),
        **dict.fromkeys(("runtimeFieldMap", "sourceFilters", "typeMeta"), str),
        "allowNoIndex": bool,
    },
}
"""What Kibana knows of each type at the versions in the file. On import it refuses any other attribute."""

TEXTS = {"panelsJSON", "optionsJSON", "fieldFormatMap", "fieldAttrs", "fields", "runtimeFieldMap", "sourceFilters", "typeMeta"}


@pytest.mark.parametrize("item", OBJECTS, ids=[item["id"] for item in OBJECTS])
def test_an_object_has_only_attributes_that_kibana_knows_at_its_version(item: dict[str, Any]) -> None:
    known = ATTRIBUTES[item["type"]]
    attributes: dict[str, Any] = item["attributes"]
    assert {name: type(value) for name, value in attributes.items()} == {name: known[name] for name in attributes}
    for name in attributes.keys() & TEXTS:
        json.loads(attributes[name])
    if item["type"] != "index-pattern":
        meta = attributes["kibanaSavedObjectMeta"]
        assert meta.keys() == {"searchSourceJSON"}
        json.loads(meta["searchSourceJSON"])
    assert item.keys() == {"type", "id", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion", "managed"}


def test_panels_of_a_dashboard_do_not_overlap_and_lie_on_its_grid() -> None:
    for item in (item for item in OBJECTS if item["type"] == "dashboard"):
        taken: Counter[tuple[int, int]] = Counter()
        for panel in json.loads(item["attributes"]["panelsJSON"]):
            grid = panel["gridData"]
            assert grid["i"] == panel["panelIndex"]
            assert grid["x"] + grid["w"] <= COLUMNS
            taken.update(
                (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
            )
        assert set(taken.values()) == {1}, item["id"]


@each_panel
def test_columns_refer_to_columns_of_their_layer(panel: SavedPanel) -> None:
    if panel.is_search:
        return
    for layer, id_, state in panel.columns():
        assert set(layer["columnOrder"]) == set(layer["columns"])
        for needed in state.get("references", []):
            assert needed in layer["columns"], (id_, needed)
        if state["operationType"] == "terms" and state["params"]["orderBy"]["type"] == "column":
            assert state["params"]["orderBy"]["columnId"] in layer["columns"]
    shown = json.dumps(panel.attributes["state"]["visualization"])
    assert '"c0"' in shown


@each_panel
def test_every_field_of_a_panel_is_in_the_mappings(panel: SavedPanel) -> None:
    kind = KIND_OF[panel.index]
    for field in panel.fields():
        assert explicit(mappings(kind), field), f"{field} is not in the mappings of {kind}"


def explicit(mapping: dict[str, Any], field: str) -> bool:
    """Whether a field has a mapping; names below passthrough objects contain dots."""
    properties = mapping.get("properties", {})
    if field in properties:
        return True
    return any(field.startswith(f"{name}.") and explicit(inner, field[len(name) + 1 :]) for name, inner in properties.items())


@pytest.fixture(scope="module")
def demo(elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The namespace in which a run of the demo left its documents."""
    namespace = uuid.uuid4().hex
    asyncio.run(run_demo(tmp_path_factory.mktemp("demo"), elasticsearch, namespace))
    return namespace


@pytest.fixture(scope="module")
def made() -> list[Document]:
    return documents()


@pytest.fixture(scope="module")
def late(elasticsearch: str, made: list[Document]) -> str:
    """The namespace in which one trace has a late span."""
    namespace = uuid.uuid4().hex

    async def write() -> None:
        client = connect(elasticsearch)
        await install(client)
        store = ElasticsearchStore(client, namespace)
        assert not (await store.write(made)).rejected
        await store.refresh(KINDS)
        await client.close()

    asyncio.run(write())
    return namespace


@pytest.fixture
async def client(elasticsearch: str) -> AsyncIterator[AsyncElasticsearch]:
    client = connect(elasticsearch)
    yield client
    await client.close()


def stream(panel: SavedPanel, namespace: str) -> str:
    assert panel.index.endswith("-*")
    return f"{panel.index[:-1]}{namespace}"


@each_panel
async def test_a_panels_query_has_an_answer_on_the_demos_data(client: AsyncElasticsearch, demo: str, panel: SavedPanel) -> None:
    answer = (await client.search(index=stream(panel, demo), **in_time(panel))).body
    assert answer["_shards"]["failed"] == 0
    if panel.is_search:
        found = answer["hits"]["hits"]
        shown = {field for hit in found for field, value in hit["fields"].items() if value}
        assert found
        assert {
            field for field in panel.attributes["columns"] if not any(name.startswith(field) for name in shown)
        } <= MAY_BE_EMPTY
        return
    for id_, column in values(panel, answer).items():
        assert any(value is not None for value in column), f"{id_} is empty"


MAY_BE_EMPTY = {"error", "resource.attributes.service.namespace"}
"""What a delivered notification does not have, and what the demo's shop does not set."""


@each_panel
async def test_kibana_can_use_each_field_as_the_panel_does(client: AsyncElasticsearch, demo: str, panel: SavedPanel) -> None:
    if panel.is_search:
        return
    found = (await client.field_caps(index=stream(panel, demo), fields="*"))["fields"]
    number, text, date = {"long", "double", "float"}, {"keyword"}, {"date_nanos"}
    for _, id_, state in panel.columns():
        field = state.get("sourceField", "___records___")
        if field == "___records___":
            continue
        ((type_, capabilities),) = found[field].items()
        assert capabilities["aggregatable"], (id_, field)
        match state["operationType"]:
            case "date_histogram":
                assert type_ in date, (id_, field, type_)
            case "terms":
                assert type_ in text, (id_, field, type_)
            case "unique_count":
                assert type_ in text | number, (id_, field, type_)
            case "last_value":
                assert type_ in (number if state["dataType"] == "number" else text), (id_, field, type_)
            case _:
                assert type_ in number, (id_, field, type_)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SIGNALS | {Kind.RECEIPT}])
async def test_every_field_that_the_pipeline_writes_has_a_mapping(elasticsearch: str, demo: str, kind: Kind) -> None:
    store = open_elasticsearch(elasticsearch, namespace=demo)
    found = await store.find(Query(kind))
    await store.close()
    assert found
    for body in found:
        named = {name for name in leaves(mappings(kind)["properties"], body) if not name.startswith("_")}
        assert not named, f"add {named} to stores/elasticsearch/mappings.py: else the first value decides the type"


def test_every_field_of_a_receipt_has_a_mapping() -> None:
    """The demo has no message whose sender is not seen."""
    assert not list(leaves(mappings(Kind.RECEIPT)["properties"], link_query_document(b"t" * 16, b"s" * 8, b"r" * 16, 1).body))


def leaves(properties: dict[str, Any], body: Any, path: str = "") -> Iterator[str]:
    """Fields of a document without a mapping."""
    for name, value in body.items():
        mapping = properties.get(name)
        if mapping is None:
            yield f"{path}{name}"
        elif "properties" in mapping:
            for item in value if isinstance(value, list) else [value]:
                yield from leaves(mapping["properties"], item, f"{path}{name}.")


async def test_calls_and_failures_are_those_of_the_newest_hops(
    client: AsyncElasticsearch, late: str, made: list[Document]
) -> None:
    panel = PANELS["spanloom-map/Edges"]
    answer = (await client.search(index=stream(panel, late), **request(panel))).body
    shown = values(panel, answer)
    assert set(shown["c0"]) == {"test"}
    rows = list(zip(*(shown[f"c{number}"] for number in range(1, 6)), strict=True))
    calls = Counter[tuple[str, str, str]]()
    failures = Counter[tuple[str, str, str]]()
    for hop in latest(bodies(made, Kind.HOP)):
        key = hop["caller"]["name"], hop["callee"]["name"], hop["protocol"]
        calls[key] += 1
        failures[key] += hop["failed"]
    taken_back = {row[:3] for row in rows if row[3:] == (0, 0)}
    assert taken_back == {("checkout", "there", "")}, "the late span of payment showed that this was a call to it"
    assert {row[:3]: row[3:] for row in rows if row[:3] not in taken_back} == {
        key: (calls[key], failures[key]) for key in calls
    }


async def test_a_trace_is_shown_as_its_newest_revision(client: AsyncElasticsearch, late: str, made: list[Document]) -> None:
    panel = PANELS["spanloom-traces/Slowest traces"]
    answer = (await client.search(index=stream(panel, late), **request(panel))).body
    shown = values(panel, answer)
    newest = {body["trace_id"]: body for body in latest(bodies(made, Kind.TRACE))}
    assert len(bodies(made, Kind.TRACE)) > len(newest)
    assert dict(zip(shown["c0"], zip(*(shown[f"c{n}"] for n in range(1, 7)), strict=True), strict=True)) == {
        trace_id: (
            body["duration"],
            body["span_count"],
            body["errors"],
            body["root"]["service"],
            body["root"]["operation"],
            "test",
        )
        for trace_id, body in newest.items()
    }
