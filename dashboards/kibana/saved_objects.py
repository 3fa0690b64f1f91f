"""Saved objects of Kibana 9: data views, saved searches and dashboards, one JSON object a line.

A version of the format is named in each (`typeMigrationVersion`); Kibana brings older ones up to its own as it imports
them and refuses newer ones, so these are the oldest that hold what is used here: Kibana 9.0 and later take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from dashboards.kibana.panels import SEARCH_INDEX, Chart, Documents, Figure, LensTable, Panel
from stores.elasticsearch.templates import data_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboards.kibana.columns import Json
    from telemetry.documents import Kind

CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "dashboard": "10.2.0"}

COLUMNS = 48
"""Width of a dashboard."""

_SIZES = {Figure: (12, 6), Chart: (24, 12), LensTable: (48, 14), Documents: (48, 18)}
"""Width and height of a panel, in cells of the dashboard."""

_NANOSECONDS = {
    "id": "duration",
    "params": {
        "inputFormat": "nanoseconds",
        "outputFormat": "humanizePrecise",
        "outputPrecision": 2,
        "useShortSuffix": True,
        "includeSpaceWithSuffix": True,
    },
}
_TRACE = {
    "id": "url",
    "params": {
        "urlTemplate": (
            "/app/dashboards#/view/spanloom-logs"
            "?_g=(time:(from:now-7d,to:now))&_a=(query:(language:lucene,query:'trace_id:{{value}}'))"
        ),
        "labelTemplate": "{{value}}",
        "openLinkInCurrentTab": True,
    },
}
_DURATIONS = (
    "duration",
    "client_duration",
    "server_duration",
    "gap",
    "self_time",
    "queue_wait",
    "critical_path_time",
    "self_time_sum",
    "critical_path_sum",
    "latency_sum",
)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels, laid out from left to right and then down. `id` is its id in Kibana, after `spanloom-`."""

    id: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def data_view_id(kind: Kind) -> str:
    """The id of a kind's data view."""
    return f"spanloom-{kind}"


def saved_objects(kinds: Iterable[Kind], dashboards: Iterable[Dashboard]) -> list[Json]:
    """Data views of the kinds, then each dashboard after the searches that it shows."""
    objects = [_data_view(kind) for kind in kinds]
    for dashboard in dashboards:
        objects += [_search(panel) for panel in dashboard.panels if isinstance(panel, Documents)]
        objects.append(_dashboard(dashboard))
    return objects


def ndjson(objects: Sequence[Json]) -> bytes:
    """The objects as Kibana exports them, without the summary line that it does not need to import them."""
    return b"".join(orjson.dumps(item, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE) for item in objects)


def _object(type_: str, id_: str, attributes: Json, references: list[Json]) -> Json:
    return {
        "type": type_,
        "id": id_,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[type_],
        "managed": False,
    }


def _text(value: object) -> str:
    """JSON inside JSON: Kibana keeps what it does not search in as text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _data_view(kind: Kind) -> Json:
    formats = dict.fromkeys(_DURATIONS, _NANOSECONDS) | {"trace_id": _TRACE}
    attributes = {
        "title": data_stream(kind, "*"),
        "name": f"Spanloom: {kind} documents",
        "timeFieldName": "@timestamp",
        "fieldFormatMap": _text(formats),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
        "allowNoIndex": True,  # a data stream begins with its first document
    }
    return _object("index-pattern", data_view_id(kind), attributes, [])


def _search(panel: Documents) -> Json:
    attributes = panel.search()
    meta = attributes["kibanaSavedObjectMeta"]
    attributes["kibanaSavedObjectMeta"] = {name: _text(value) for name, value in meta.items()}
    reference = {"type": "index-pattern", "id": data_view_id(panel.kind), "name": SEARCH_INDEX}
    return _object("search", f"spanloom-{panel.id}", attributes, [reference])


def _dashboard(dashboard: Dashboard) -> Json:
    panels, references = [], []
    x = y = row_height = 0
    for number, panel in enumerate(dashboard.panels):
        width, height = _SIZES[type(panel)]
        if x + width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        index = f"p{number}"
        placed = {"panelIndex": index, "gridData": {"i": index, "x": x, "y": y, "w": width, "h": height}}
        if isinstance(panel, Documents):
            name = f"panel_{index}"
            panels.append(placed | {"type": "search", "embeddableConfig": {"enhancements": {}}, "panelRefName": name})
            references.append({"type": "search", "id": f"spanloom-{panel.id}", "name": f"{index}:{name}"})
        else:
            lens = panel.lens(data_view_id(panel.kind))
            panels.append(
                placed | {"type": "lens", "embeddableConfig": {"attributes": lens, "enhancements": {}}, "title": panel.title}
            )
            references += [reference | {"name": f"{index}:{reference['name']}"} for reference in lens["references"]]
        x, row_height = x + width, max(row_height, height)
    attributes = {
        "title": f"Spanloom: {dashboard.title}",
        "description": dashboard.description,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-1h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 10_000},
        "optionsJSON": _text({"useMargins": True, "syncColors": True, "syncCursor": True, "syncTooltips": False}),
        "panelsJSON": _text(panels),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text({"query": {"query": "", "language": "kuery"}, "filter": []})},
    }
    return _object("dashboard", f"spanloom-{dashboard.id}", attributes, references)
