"""The service map: who calls whom, how often, how fast, and where it fails."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from nicegui import ui

from dashboards.console.format import amount, duration, share, short
from dashboards.console.graph_layout import positions
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.table import Cell, Column, Table
from dashboards.read_models.service_map import MAX_COSTS, latency_of
from telemetry.call_graph import NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboards.read_models.service_map import MapEdge, MapNode, ServiceMap
    from telemetry.call_graph import Edge, Node

ANOMALOUS = "#d9962b"
FAILING = ("#5b7cb5", "#a8688a", "#c25068", "#cf3c3c")
"""Colours of nodes and calls by how many of the calls fail: none, some, 1% and 10% of them."""
INK = "#7d8799"
"""Reads on light and on dark ground."""
LABEL = {"fontSize": 11, "fontWeight": "normal", "color": INK, "opacity": 1}
"""Of a call, which would take that of its line."""

SYMBOLS = {NodeKind.DATABASE: "roundRect", NodeKind.QUEUE: "diamond", NodeKind.USER: "triangle"}

COLUMNS = (
    Column("caller", "Caller"),
    Column("callee", "Callee"),
    Column("protocol", "Protocol"),
    Column("rate", "Calls/s", right=True),
    Column("calls", "Calls", right=True),
    Column("failed", "Failed", right=True),
    Column("p50", "p50", right=True),
    Column("p95", "p95", right=True),
    Column("slowest", "Slowest trace"),
    Column("environment", "Environment"),
)

COSTS = (
    Column("caller", "Caller"),
    Column("callee", "Callee"),
    Column("operation", "Operation"),
    Column("share", "Critical path %", right=True),
    Column("each", "Critical-path time per call", right=True),
    Column("own", "Own time a call", right=True),
    Column("calls", "Calls", right=True),
    Column("p95", "p95", right=True),
    Column("slowest", "Slowest trace"),
    Column("environment", "Environment"),
)
"""What held up traces, by kind of hop."""


def add(console: Console) -> None:
    """Put the page at /map."""

    @ui.page("/map", title="Service map · Spanloom")
    def page(range: str = DEFAULT_RANGE, environment: str = "") -> None:  # noqa: A002  the parameter's name in the address
        view = View(console, "Service map", "/map", range, environment)
        with view.body:
            lead = ui.label().classes("lead")
            chart = (
                ui.echart({"series": []})
                .classes("sheet map")
                .props('role=img aria-label="Service map; the table has the same"')
            )
            with ui.element("div").classes("legend") as legend:
                ui.label("Size: calls received. Colour: share that failed, from blue to red. Amber ring: anomalies.")
                ui.label("Box: database. Diamond: queue. Triangle: users.")
                ui.label("On a call: calls a second, p95.")
            heading("Calls between services", 2)
            table = Table(
                "Calls between services",
                COLUMNS,
                "No calls in this time. Widen the time range, or send traces to the OTLP ports (4317 for gRPC, 4318 for\n"
                "HTTP): a call is drawn when its window is sealed, about fifteen seconds after it ended.",
            )

            heading("Latency contributors", 2)
            costs = Table("Latency contributors", COSTS, "No call has been on the critical path of a trace in this time.")

        async def load() -> None:
            shown = await console.reader.service_map(view.since, environment=view.environment)
            chart.visible = legend.visible = bool(shown.calls)
            lead.text = (
                f"{len(shown.nodes)} nodes and {len(shown.calls)} kinds of calls over {duration(shown.until - shown.since)}"
                if shown.calls
                else ""
            )
            options = _options(shown)
            if options != chart.options:
                chart.options.clear()
                chart.options.update(options)
            table.show([(_name(call), _row(view, call, shown)) for call in shown.calls])
            whole = shown.critical_path_time
            costly = [edge for edge in shown.costs[:MAX_COSTS] if edge.critical_path_sum > 0]
            costs.show([(str(place), _cost(view, edge, whole)) for place, edge in enumerate(costly)])

        def pick(event: Any) -> None:
            if event.data_type == "node" and event.data.get("service"):
                of = {"environment": event.data["environment"]} if event.data.get("environment") else {}
                ui.navigate.to(view.link("/traces", service=event.data["service"], **of))

        chart.on_point_click(pick)
        view.refresh(load)


def _name(call: MapEdge) -> str:
    return f"{call.environment} {call.caller.kind} {call.caller.name} {call.callee.kind} {call.callee.name}"


def _row(view: View, call: MapEdge, shown: ServiceMap) -> dict[str, Cell]:
    slowest = max(call.exemplars, key=lambda trace_id: call.exemplars[trace_id], default="")
    p50, p95 = call.quantile(0.5), call.quantile(0.95)
    rate = call.calls / shown.seconds
    return {
        "environment": Cell(call.environment),
        "caller": Cell(call.caller.name),
        "callee": Cell(call.callee.name),
        "protocol": Cell(", ".join(sorted(call.protocols - {""}))),
        "rate": Cell(rate, amount(rate)),
        "calls": Cell(call.calls, amount(call.calls)),
        "failed": Cell(
            call.failures / call.calls,
            f"{amount(call.failures)} ({share(call.failures, call.calls)})" if call.failures else "0",
            tone="bad" if call.failures else "quiet",
        ),
        "p50": Cell(p50, duration(p50)),
        "p95": Cell(p95, duration(p95)),
        "slowest": Cell(slowest, short(slowest), view.link(f"/traces/{slowest}") if slowest else "", "mono line"),
    }


def _cost(view: View, edge: Edge, whole: int) -> dict[str, Cell]:
    key, time = edge.key, edge.critical_path_sum
    slowest = edge.exemplars[0].hex() if edge.exemplars else ""
    p95 = latency_of(edge, 0.95)
    each, own = round(time / edge.calls), round(edge.self_time_sum / edge.calls)
    return {
        "environment": Cell(key.environment),
        "caller": Cell(key.caller.name),
        "callee": Cell(key.callee.name),
        "operation": Cell(key.operation),
        "share": Cell(time, share(time, whole)),
        "each": Cell(each, duration(each)),
        "own": Cell(own, duration(own) if own else "—"),
        "calls": Cell(edge.calls, amount(edge.calls)),
        "p95": Cell(p95, duration(p95)),
        "slowest": Cell(slowest, short(slowest), view.link(f"/traces/{slowest}") if slowest else "", "mono line"),
    }


def _options(shown: ServiceMap) -> dict[str, object]:
    """The map as ECharts draws it."""
    if not shown.calls:
        return {"series": []}
    places = positions(
        [(place.environment, place.node) for place in shown.nodes],
        [((call.environment, call.caller), (call.environment, call.callee)) for call in shown.calls],
    )
    several = len({place.environment for place in shown.nodes}) > 1
    busiest = max(call.calls for call in shown.calls)
    return {
        "tooltip": {":formatter": "item => item.data.tip", "confine": True},
        "animation": False,
        "series": [
            {
                "type": "graph",
                "layout": "none",
                "preserveAspect": True,
                "roam": True,
                "left": 90,
                "right": 90,
                "top": 50,
                "bottom": 60,
                "edgeSymbol": ["none", "arrow"],
                "edgeSymbolSize": 9,
                "label": {"show": True, "position": "bottom", "color": INK, "fontSize": 12, "fontWeight": "bold"},
                "emphasis": {"focus": "adjacency"},
                "data": [
                    _node(place, places[place.environment, place.node], busiest, several=several) for place in shown.nodes
                ],
                "links": [_link(call, shown, busiest, _columns_between(call, places)) for call in shown.calls],
            }
        ],
    }


def _columns_between(call: MapEdge, places: Mapping[tuple[str, Node], tuple[float, float]]) -> float:
    return places[call.environment, call.callee][0] - places[call.environment, call.caller][0]


def _id(environment: str, node: Node) -> str:
    return f"{environment} {node.kind} {node.name}"


def _node(place: MapNode, at: tuple[float, float], busiest: int, *, several: bool) -> dict[str, object]:
    node = place.node
    tip = (
        f"<b>{escape(node.name)}</b> ({node.kind}), {escape(place.environment)}<br>"
        f"{amount(place.calls)} calls, {share(place.failures, place.calls)} failed"
    )
    if place.anomaly:
        tip += f"<br>anomalies, the highest score {place.anomaly:.2f}"
    return {
        "id": _id(place.environment, node),
        "name": f"{node.name}\n{place.environment}" if several else node.name,
        "service": node.name if node.kind is NodeKind.SERVICE else "",
        "environment": place.environment if several else "",
        "x": at[0] * 200,
        "y": at[1] * 90,
        "symbol": SYMBOLS.get(node.kind, "circle"),
        "symbolSize": 22 + 26 * (place.calls / busiest) ** 0.5,
        "itemStyle": {
            "color": _failing(place.failures, place.calls),
            "borderColor": ANOMALOUS if place.anomaly else "transparent",
            "borderWidth": 4 if place.anomaly else 0,
        },
        "tip": tip,
    }


def _link(call: MapEdge, shown: ServiceMap, busiest: int, columns: float) -> dict[str, object]:
    rate, p50, p95 = amount(call.calls / shown.seconds), duration(call.quantile(0.5)), duration(call.quantile(0.95))
    tip = (
        f"<b>{escape(call.caller.name)} → {escape(call.callee.name)}</b><br>"
        f"{rate} calls/s, p50 {p50}, p95 {p95}<br>{share(call.failures, call.calls)} failed"
    )
    return {
        "source": _id(call.environment, call.caller),
        "target": _id(call.environment, call.callee),
        "lineStyle": {
            "color": _failing(call.failures, call.calls),
            "width": 1 + 4 * (call.calls / busiest) ** 0.5,
            "opacity": 0.55,
            "curveness": 0.06 + 0.14 * max(0.0, abs(columns) - 1),  # around what stands between,
        },
        "label": {"show": True, "formatter": f"{rate}/s · {p95}", "position": "insideMiddleTop", "distance": 8} | LABEL,
        "tip": tip,
    }


def _failing(failures: int, calls: int) -> str:
    ratio = failures / calls if calls else 0.0
    return FAILING[(ratio > 0) + (ratio >= 0.01) + (ratio >= 0.1)]
