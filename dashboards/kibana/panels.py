"""Panels of a dashboard: what each shows, and the Lens state or saved search behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.kibana.columns import By, Json, LensColumn, Over

if TYPE_CHECKING:
    from telemetry.documents import Kind
    from telemetry.json_object import JsonObject

LAYER = "layer"
"""Every panel here has one layer, so its id needs to be unique in the panel alone."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number."""

    title: str
    kind: Kind
    metric: LensColumn
    where: str = ""

    def lens(self, data_view: str) -> Json:
        """The panel's Lens state."""
        shown = {"layerId": LAYER, "layerType": "data", "metricAccessor": "c0"}
        return _lens(self.title, "lnsMetric", [self.metric], self.where, data_view, shown)


@dataclass(frozen=True, slots=True)
class Chart:
    """Metrics over time, as lines or stacked bars; one for each value of `split` where it is given."""

    title: str
    kind: Kind
    metrics: tuple[LensColumn, ...]
    split: By | None = None
    bars: bool = False
    where: str = ""

    def lens(self, data_view: str) -> Json:
        """The panel's Lens state."""
        split = [self.split] if self.split else []
        columns: list[LensColumn] = [*split, Over(), *self.metrics]
        first_metric = len(split) + 1
        series = "bar_stacked" if self.bars else "line"
        layer: Json = {
            "layerId": LAYER,
            "layerType": "data",
            "seriesType": series,
            "xAccessor": f"c{len(split)}",
            "accessors": [f"c{number}" for number in range(first_metric, len(columns))],
        }
        if split:
            layer["splitAccessor"] = "c0"
        shown = {
            "legend": {"isVisible": True, "position": "right"},
            "valueLabels": "hide",
            "fittingFunction": "None",
            "preferredSeriesType": series,
            "layers": [layer],
        }
        return _lens(self.title, "lnsXY", columns, self.where, data_view, shown)


@dataclass(frozen=True, slots=True)
class LensTable:
    """A row for each combination of values, with its metrics; the first metric orders the rows."""

    title: str
    kind: Kind
    rows: tuple[By, ...]
    metrics: tuple[LensColumn, ...]
    where: str = ""

    def lens(self, data_view: str) -> Json:
        """The panel's Lens state."""
        columns: list[LensColumn] = [*self.rows, *self.metrics]
        shown = {
            "layerId": LAYER,
            "layerType": "data",
            "columns": [{"columnId": f"c{number}", "isTransposed": False} for number in range(len(columns))],
            "paging": {"enabled": True, "size": 20},
        }
        return _lens(self.title, "lnsDatatable", columns, self.where, data_view, shown)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents themselves, newest first. A Discover session of its own: `id` names it."""

    id: str
    title: str
    kind: Kind
    columns: tuple[str, ...]
    where: str = ""

    def search(self) -> Json:
        """Attributes of the saved search."""
        return {
            "title": f"Spanloom: {self.title}",
            "description": "",
            "columns": list(self.columns),
            "sort": [["@timestamp", "desc"]],
            "grid": {},
            "hideChart": False,
            "isTextBasedQuery": False,
            "timeRestore": False,
            "usesAdHocDataView": False,
            "kibanaSavedObjectMeta": {"searchSourceJSON": {**_asked(self.where), "indexRefName": SEARCH_INDEX}},
        }


SEARCH_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
"""Name of the reference from a saved search to its data view."""

Panel = Figure | Chart | LensTable | Documents


def _asked(where: str) -> Json:
    return {"query": {"query": where, "language": "lucene"}, "filter": []}


def _lens(title: str, visualization: str, columns: list[LensColumn], where: str, data_view: str, shown: Json) -> Json:
    """Attributes of a Lens panel with one form-based layer; its columns are `c0`, `c1`, ... in order."""
    states: JsonObject = {}
    for number, column in enumerate(columns):
        states |= column.states(f"c{number}")
    ordering = next((number for number, column in enumerate(columns) if not isinstance(column, By | Over)), None)
    for state in states.values():
        if state["operationType"] == "terms" and ordering is not None:
            state["params"]["orderBy"] = {"type": "column", "columnId": f"c{ordering}"}
    layer = {
        "columns": states,
        "columnOrder": list(states),
        "incompleteColumns": {},
        "sampling": 1,
        "ignoreGlobalFilters": False,
    }
    asked = _asked(where)
    return {
        "title": title,
        "type": "lens",
        "visualizationType": visualization,
        "references": [{"type": "index-pattern", "id": data_view, "name": f"indexpattern-datasource-layer-{LAYER}"}],
        "state": {
            "visualization": shown,
            "query": asked["query"],
            "filters": asked["filter"],
            "datasourceStates": {
                "formBased": {"layers": {LAYER: layer}},
                "indexpattern": {"layers": {}},
                "textBased": {"layers": {}},
            },
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
