"""The overview: how much traffic there is and how well it goes, what is wrong now, and what happened last."""

from __future__ import annotations

import asyncio
from math import gcd
from typing import TYPE_CHECKING

from nicegui import ui

from dashboards.console.format import ago, amount, date_time, flat, share
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.stat import tile
from dashboards.console.table import Cell, Column, Table
from dashboards.read_models.timeline import timeline
from stores.store import Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind

if TYPE_CHECKING:
    from dashboards.read_models.service_map import ServiceMap
    from dashboards.read_models.timeline import TimelineEvent
    from telemetry.documents import Body

MAX_DOCUMENTS = 1_000
"""Documents of each kind that make the timeline."""

BARS = 60
"""Bars of the chart at most; windows are gathered to that."""

CALM, FAILED, INK = "#5b7cb5", "#cf3c3c", "#7d8799"

EVENTS = (Column("time", "Time (UTC)"), Column("kind", "Event"), Column("text", "What happened"))

COUNTERS = (Column("name", "Counter"), Column("value", "Value", right=True))

TONES = {
    "anomaly": "tag warn",
    "culprits": "tag warn",
    "alert": "tag bad",
    "resolved": "tag good",
    "repair": "tag",
}


def add(console: Console) -> None:
    """Put the page at /."""

    @ui.page("/", title="Overview · Spanloom")
    def page(range: str = DEFAULT_RANGE, environment: str = "") -> None:  # noqa: A002  the parameter's name in the address
        view = View(console, "Overview", "/", range, environment)
        with view.body:
            tiles = ui.element("div").classes("tiles")
            heading("Requests/s", 2)
            chart = ui.echart({"series": []}).classes("sheet chart").props('role=img aria-label="Requests/s over time"')
            idle = ui.label(
                "No calls in this time. Send traces to the OTLP ports (4317 for gRPC, 4318 for HTTP), run `spanloom demo`,\n"
                "or widen the time range."
            ).classes("empty")
            with ui.element("div").classes("two"):
                with ui.element("div").classes("stack"):
                    heading("What happened", 2)
                    events = Table("Timeline", EVENTS, "No anomaly, alert or repair in this time.")
                with ui.element("div").classes("stack"):
                    heading("Pipeline", 2)
                    counters = Table("Counters of the pipeline", COUNTERS, "The pipeline reports no counters.")

        shown_tiles: list[tuple[str, ...]] = []

        async def load() -> None:
            kinds = (Kind.ANOMALY, Kind.CULPRIT, Kind.ALERT, Kind.INCIDENT)
            queries = (Query(kind, view.within, view.since, descending=True, limit=MAX_DOCUMENTS) for kind in kinds)
            anomalies, culprits, alerts, incidents = await asyncio.gather(*map(console.reader.find, queries))
            standing, open_or_ended = await asyncio.gather(
                console.reader.alerts(view.environment), console.reader.incidents(view.environment)
            )
            shown = await console.reader.service_map(view.since, environment=view.environment)
            idle.visible = not shown.calls
            chart.visible = bool(shown.calls)
            if (options := _options(shown)) != chart.options:
                chart.options.clear()
                chart.options.update(options)
            figures = _figures(view, shown, len(anomalies), standing, open_or_ended)
            if figures != shown_tiles:
                shown_tiles[:] = figures
                tiles.clear()
                with tiles:
                    for figure in figures:
                        tile(*figure)
            now = console.now()
            happened = timeline(anomalies, culprits, alerts, incidents)
            events.show([(f"{place} {event.time}", _event(view, event, now)) for place, event in enumerate(happened)])
            counters.show([(name, _counter(name, value)) for name, value in flat(console.status())])

        view.refresh(load)


def _figures(view: View, shown: ServiceMap, anomalies: int, alerts: list[Body], incidents: list[Body]) -> list[tuple[str, ...]]:
    calls = sum(call.calls for call in shown.calls)
    failures = sum(call.failures for call in shown.calls)
    services = sum(place.node.kind is NodeKind.SERVICE for place in shown.nodes)
    firing = sum(alert["state"] == "firing" for alert in alerts)
    repairing = sum(not incident["ended"] for incident in incidents)
    return [
        ("Services", str(services), "", view.link("/map")),
        ("Requests/s", amount(calls / shown.seconds) if calls else "0", "", view.link("/map")),
        ("Failed calls", share(failures, calls), "bad" if failures else "", view.link("/traces", errors="yes")),
        (
            "Anomalies",
            f"{amount(anomalies)}{'+' if anomalies >= MAX_DOCUMENTS else ''}",
            "warn" if anomalies else "",
            view.link("/anomalies"),
        ),
        ("Alerts firing", str(firing), "bad" if firing else "good", view.link("/alerts")),
        ("Repairs under way", str(repairing), "warn" if repairing else "", view.link("/repairs")),
    ]


def _options(shown: ServiceMap) -> dict[str, object]:
    """Calls and failed calls a second over time, as ECharts draws them."""
    if not shown.windows:
        return {"series": []}
    window = gcd(shown.until - shown.since, *(start - shown.since for start in shown.windows))
    width = window * -(-(shown.until - shown.since) // (BARS * window))  # whole windows, so that no bar lacks one
    bars: dict[int, list[int]] = {}
    for start, (calls, failures) in shown.windows.items():
        bar = bars.setdefault((start - shown.since) // width, [0, 0])
        bar[0] += calls
        bar[1] += failures
    seconds = width / 1e9

    def series(name: str, color: str, place: int) -> dict[str, object]:
        return {
            "name": name,
            "type": "bar",
            "stack": "calls",
            "barCategoryGap": "12%",
            "itemStyle": {"color": color},
            "data": [
                [(shown.since + number * width) // 1_000_000, round((bar[1] if place else bar[0] - bar[1]) / seconds, 2)]
                for number, bar in sorted(bars.items())
            ],
        }

    axis = {"axisLabel": {"color": INK}, "axisLine": {"show": False}, "axisTick": {"show": False}}
    return {
        "animation": False,
        "useUTC": True,
        "grid": {"left": 48, "right": 20, "top": 34, "bottom": 28},
        "legend": {"top": 4, "right": 12, "textStyle": {"color": INK}, "itemWidth": 12, "itemHeight": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "time", "splitLine": {"show": False}, **axis},
        "yAxis": {"type": "value", "splitLine": {"lineStyle": {"color": INK, "opacity": 0.2}}, **axis},
        "series": [series("succeeded", CALM, 0), series("failed", FAILED, 1)],
    }


def _event(view: View, event: TimelineEvent, now: int) -> dict[str, Cell]:
    about = {
        "anomaly": view.link(f"/traces/{event.about}") if event.about else view.link("/anomalies"),
        "culprits": view.link("/anomalies"),
        "repair": view.link("/repairs", incident=event.about),
    }
    return {
        "time": Cell(event.time, f"{date_time(event.time)[11:]} ({ago(event.time, now)})", tone="quiet line"),
        "kind": Cell(event.kind, tone=TONES[event.kind]),
        "text": Cell(event.text, event.text, about.get(event.kind, view.link(f"/alerts/{event.about}"))),
    }


def _counter(name: str, value: object) -> dict[str, Cell]:
    text = amount(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return {"name": Cell(name, name.replace("_", " ")), "value": Cell(text)}
