"""What Kibana asks Elasticsearch for a panel: the saved state, read as Kibana reads it, as a search request.

Written against Elasticsearch's aggregations and the saved JSON alone; nothing of the definitions is used here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]


@dataclass(frozen=True)
class SavedPanel:
    """A panel of a dashboard: its name, the index pattern it asks, its state."""

    name: str
    index: str
    attributes: Json
    times: Json
    """The range of @timestamp that its dashboard begins with."""

    @property
    def is_search(self) -> bool:
        return "columns" in self.attributes

    @property
    def layers(self) -> list[Json]:
        return list(self.attributes["state"]["datasourceStates"]["formBased"]["layers"].values())

    def columns(self) -> Iterator[tuple[Json, str, Json]]:
        """(layer, id, state) of every Lens column."""
        for layer in self.layers:
            for id_ in layer["columnOrder"]:
                yield layer, id_, layer["columns"][id_]

    def fields(self) -> set[str]:
        """Every field that the panel names, filters included."""
        if self.is_search:
            source = json.loads(self.attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
            return {*self.attributes["columns"], "@timestamp", *named(source["query"]["query"])}
        found = set(named(self.attributes["state"]["query"]["query"]))
        for _, _, state in self.columns():
            found.update(part[name] for part, name in ((state, "sourceField"), (state["params"], "sortField")) if name in part)
            found.update(named(state.get("filter", {}).get("query", "")))
        return found - {"___records___"}


def named(lucene: str) -> Iterator[str]:
    """Fields of the simple queries that the panels use: terms joined by spaces, each `field:value`."""
    for term in lucene.split():
        field, colon, value = term.partition(":")
        if colon:
            yield value if field == "_exists_" else field


def panels(objects: list[Json]) -> list[SavedPanel]:
    """Every panel of every dashboard, its references followed."""
    by_id = {(item["type"], item["id"]): item for item in objects}
    found = []
    for dashboard in (item for item in objects if item["type"] == "dashboard"):
        times = {"gte": dashboard["attributes"]["timeFrom"], "lte": dashboard["attributes"]["timeTo"]}
        references = {item["name"]: (item["type"], item["id"]) for item in dashboard["references"]}
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            index = panel["panelIndex"]
            if panel["type"] == "search":
                target = by_id[references.pop(f"{index}:{panel['panelRefName']}")]
                attributes = target["attributes"]
                (data_view,) = [(item["type"], item["id"]) for item in target["references"]]
            else:
                attributes = panel["embeddableConfig"]["attributes"]
                (layer_id,) = attributes["state"]["datasourceStates"]["formBased"]["layers"]
                name = f"indexpattern-datasource-layer-{layer_id}"
                data_view = references.pop(f"{index}:{name}")
                assert [(item["name"], item["id"]) for item in attributes["references"]] == [(name, data_view[1])]
            name = f"{dashboard['id']}/{attributes['title'].removeprefix('Spanloom: ')}"
            found.append(SavedPanel(name, by_id[data_view]["attributes"]["title"], attributes, times))
        assert not references, f"{dashboard['id']} refers to what no panel uses: {references}"
    return found


def request(panel: SavedPanel) -> Json:
    """The panel as a search request: hits for a saved search, nested aggregations for Lens."""
    if panel.is_search:
        source = json.loads(panel.attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        sort = [{field: order} for field, order in panel.attributes["sort"]]
        fields = [{"field": field} for field in panel.attributes["columns"]]
        return {"query": clause(source["query"]), "sort": sort, "fields": fields, "size": 500}
    (layer,) = panel.layers
    states = [(id_, layer["columns"][id_]) for id_ in layer["columnOrder"]]
    metrics = {id_: metric(state) for id_, state in states if not state["isBucketed"] and "sourceField" in state}
    aggregations = metrics
    for id_, state in reversed([pair for pair in states if pair[1]["isBucketed"]]):
        aggregations = {id_: {**bucket(state, layer), "aggs": aggregations}}
    return {"query": clause(panel.attributes["state"]["query"]), "size": 0, "aggs": aggregations}


def in_time(panel: SavedPanel) -> Json:
    """The panel's request as its dashboard makes it when it is opened: for its range of time alone."""
    asked = request(panel)
    return {**asked, "query": {"bool": {"must": asked["query"], "filter": {"range": {"@timestamp": panel.times}}}}}


def clause(query: Json) -> Json:
    assert query["language"] == "lucene"
    return {"query_string": {"query": query["query"]}} if query["query"] else {"match_all": {}}


def bucket(state: Json, layer: Json) -> Json:
    if state["operationType"] == "date_histogram":
        return {"date_histogram": {"field": state["sourceField"], "fixed_interval": "30s"}}
    assert state["operationType"] == "terms"
    ordered_by = state["params"]["orderBy"]
    terms = {"field": state["sourceField"], "size": state["params"]["size"]}
    if ordered_by["type"] == "column":
        assert not layer["columns"][ordered_by["columnId"]]["isBucketed"]
    return {"terms": terms}


def metric(state: Json) -> Json:
    field, operation = state["sourceField"], state["operationType"]
    match operation:
        case "count":
            asked: Json = {"value_count": {"field": "@timestamp"}}
        case "unique_count":
            asked = {"cardinality": {"field": field}}
        case "average":
            asked = {"avg": {"field": field}}
        case "percentile":
            asked = {"percentiles": {"field": field, "percents": [state["params"]["percentile"]]}}
        case "last_value":
            newest = {"sort": [{state["params"]["sortField"]: "desc"}], "size": 1, "docvalue_fields": [field], "_source": False}
            asked = {"top_hits": newest}
        case _:
            asked = {operation: {"field": field}}
    if "filter" not in state:
        return asked
    return {"filter": clause(state["filter"]), "aggs": {"of": asked}}


def values(panel: SavedPanel, answer: Json) -> dict[str, list[Any]]:
    """Column id -> what it shows, formulas computed; a list with one value for each innermost bucket."""
    (layer,) = panel.layers
    columns = layer["columns"]
    bucketed = [id_ for id_ in layer["columnOrder"] if columns[id_]["isBucketed"]]
    rows = list(leaves(answer["aggregations"], bucketed, {}))
    shown: dict[str, list[Any]] = {id_: [row[id_] for row in rows] for id_ in bucketed}
    for id_ in layer["columnOrder"]:
        if not columns[id_]["isBucketed"] and "X" not in id_:
            shown[id_] = [evaluate(id_, columns, row) for row in rows]
    return shown


def leaves(found: Json, bucketed: list[str], row: Json) -> Iterator[Json]:
    if not bucketed:
        yield row | {id_: number(value) for id_, value in found.items() if isinstance(value, dict)}
        return
    for one in found[bucketed[0]]["buckets"]:
        yield from leaves(one, bucketed[1:], row | {bucketed[0]: one["key"]})


def number(value: Json) -> Any:
    value = value.get("of", value)
    if "hits" in value:
        hits = value["hits"]["hits"]
        return next(iter(hits[0]["fields"].values()))[0] if hits else None
    return next(iter(value["values"].values())) if "values" in value else value["value"]


def evaluate(id_: str, columns: Json, row: Json) -> Any:
    """A column's value: a formula leads to its tree, the tree to the sums in its row."""
    state = columns[id_]
    if state["operationType"] == "formula":
        (id_,) = state["references"]
        return tree(columns[id_]["params"]["tinymathAst"], columns, row)
    return row[id_]


def tree(node: Any, columns: Json, row: Json) -> Any:
    if isinstance(node, str):
        assert columns[node]["operationType"] == "sum"
        return row[node]
    if isinstance(node, int):
        return node
    assert node["name"] == "divide"
    over, under = (tree(item, columns, row) for item in node["args"])
    return over / under if over is not None and under else None  # Lens shows nothing for a division by zero
