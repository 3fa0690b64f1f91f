"""Panels and dashboards as Grafana's JSON model has them: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

from dashboards.grafana.promql import LABELS, expression
from dashboards.kibana.panels import Chart, Documents, Figure, LensTable
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboards.grafana.promql import PromQL
    from dashboards.kibana.columns import By, LensColumn
    from dashboards.kibana.panels import Panel
    from dashboards.kibana.saved_objects import Dashboard
    from telemetry.json_object import JsonObject

PROMETHEUS: JsonObject = {"type": "prometheus", "uid": "spanloom-prometheus"}
TEMPO: JsonObject = {"type": "tempo", "uid": "spanloom-tempo"}

SCHEMA_VERSION = 39
"""Of Grafana 10.4 and later: a newer Grafana brings it up to its own as it loads it."""

COLUMNS = 24
"""Width of a dashboard."""

_SIZES = {Figure: (6, 4), Chart: (12, 8), LensTable: (24, 9), Documents: (24, 10)}
"""Width and height of a panel, in cells of the dashboard."""


def dashboard(definition: Dashboard) -> JsonObject:
    """The dashboard of a definition, with those of its panels that samples or spans can fill."""
    panels = (made for panel in definition.panels if (made := panel_of(panel)) is not None)
    return dashboard_of(definition.id, definition.title, definition.description, panels)


def dashboard_of(
    name: str, title: str, description: str, panels: Iterable[JsonObject], variables: Sequence[JsonObject] = ()
) -> JsonObject:
    """A dashboard of panels, which have a size and get their places here."""
    return {
        "uid": f"spanloom-{name}",
        "title": f"Spanloom: {title}",
        "description": description,
        "tags": ["spanloom"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Spanloom", "tags": ["spanloom"], "asDropdown": True, "keepTime": True}],
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "panels": list(_laid_out(panels)),
    }


def panel_of(panel: Panel) -> JsonObject | None:
    """A panel without its place; None where neither samples nor spans say what it shows."""
    if isinstance(panel, Documents):
        return _spans(panel) if panel.kind is Kind.SPAN else None
    split, metrics = _parts(panel)
    names = [LABELS.get(panel.kind, {}).get(by.field) for by in split if by.field != "environment"]
    by = [name for name in names if name is not None]
    if len(by) < len(names):
        return None
    chart = isinstance(panel, Chart)
    found = [
        (metric.label, made)
        for metric in metrics
        if (made := expression(panel.kind, metric, by, panel.where, chart=chart)) is not None
    ]
    if not found:
        return None
    if isinstance(panel, Chart):
        return _chart(panel, by, found)
    return _table(panel, split, by, found) if isinstance(panel, LensTable) else _figure(panel, *found[0])


def _parts(panel: Figure | Chart | LensTable) -> tuple[Sequence[By], Sequence[LensColumn]]:
    if isinstance(panel, Figure):
        return (), (panel.metric,)
    if isinstance(panel, Chart):
        return (panel.split,) if panel.split else (), panel.metrics
    return panel.rows, panel.metrics


def _figure(panel: Figure, label: str, shown: PromQL) -> JsonObject:
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "none"}
    return _panel("stat", panel, [_target(shown, 0, instant=True, legend=label)], {"unit": shown.unit}, options)


def _chart(panel: Chart, by: Sequence[str], found: Sequence[tuple[str, PromQL]]) -> JsonObject:
    targets = []
    for number, (label, shown) in enumerate(found):
        parts = [f"{{{{{name}}}}}" for name in by]
        legend = " ".join([*parts, label] if len(found) > 1 or not parts else parts)
        targets.append(_target(shown, number, instant=False, legend=legend))
    style: JsonObject = {
        "drawStyle": "bars" if panel.bars else "line",
        "fillOpacity": 60 if panel.bars else 5,
        "showPoints": "never",
    }
    if panel.bars:
        style["stacking"] = {"mode": "normal", "group": "A"}
    options = {
        "legend": {"displayMode": "list", "placement": "right", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", panel, targets, {"unit": found[0][1].unit, "custom": style}, options)


def _table(panel: LensTable, split: Sequence[By], by: Sequence[str], found: Sequence[tuple[str, PromQL]]) -> JsonObject:
    targets = [_target(shown, number, instant=True, table=True) for number, (_, shown) in enumerate(found)]
    labels = [one.label for one in split if one.field != "environment"]
    values = [f"Value #{target['refId']}" for target in targets] if len(targets) > 1 else ["Value"]
    renamed = dict(zip([*by, *values], [*labels, *(label for label, _ in found)], strict=True))
    order = {name: number for number, name in enumerate(renamed)}
    organize = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    made = _panel("table", panel, targets, {}, {"showHeader": True, "sortBy": [{"displayName": found[0][0], "desc": True}]})
    made["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": label}, "properties": [{"id": "unit", "value": shown.unit}]}
        for label, shown in found
    ]
    made["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
    return made


def _spans(panel: Documents) -> JsonObject:
    target = {"refId": "A", "datasource": TEMPO, "queryType": "traceql", "query": "{}", "limit": 50, "tableType": "spans"}
    return _panel("table", panel, [target], {}, {"showHeader": True}, TEMPO)


def _target(shown: PromQL, number: int, *, instant: bool, legend: str = "", table: bool = False) -> JsonObject:
    return {
        "refId": ascii_uppercase[number],
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": shown.text,
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
        **({"legendFormat": legend} if legend else {}),
    }


def _panel(
    type_: str,
    panel: Panel,
    targets: list[JsonObject],
    defaults: JsonObject,
    options: JsonObject,
    source: JsonObject = PROMETHEUS,
) -> JsonObject:
    width, height = _SIZES[type(panel)]
    return {
        "type": type_,
        "title": panel.title,
        "datasource": source,
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _laid_out(panels: Iterable[JsonObject]) -> Iterable[JsonObject]:
    """Panels from left to right, in rows, with their numbers."""
    x = y = below = 0
    for number, panel in enumerate(panels, start=1):
        size = panel["gridPos"]
        if x + size["w"] > COLUMNS:
            x, y = 0, below
        yield {"id": number, **panel, "gridPos": {"x": x, "y": y, **size}}
        x, below = x + size["w"], max(below, y + size["h"])
