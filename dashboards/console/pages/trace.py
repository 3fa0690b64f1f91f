"""One trace: its waterfall with the critical path, its logs, its hops, and the details of a span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from nicegui import ui

from dashboards.console.description_list import facts
from dashboards.console.format import amount, date_time, duration, share
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.stat import tile
from dashboards.console.table import Cell, Column, Table
from dashboards.read_models.clocks import by_root_clock
from dashboards.read_models.waterfall import service_of, severity, waterfall

if TYPE_CHECKING:
    from nicegui.events import GenericEventArguments, ValueChangeEventArguments

    from dashboards.read_models.waterfall import Bar
    from telemetry.documents import Body

MAX_BARS = 2_000
"""Spans drawn; the browser is given no more."""

CLOCKS = {False: "As recorded", True: "By the root's clock"}
"""Whose times the waterfall shows."""

PALETTE = ("#4c78a8", "#59a14f", "#b07aa1", "#e0a030", "#3ba3a0", "#d1717b", "#8c6d4f", "#7b8794", "#6f63b6", "#a0a83c")
"""Colours of services, by their place among the trace's."""

_BAR = """
<q-tr :props="props" :class="{picked: props.row.picked}">
  <q-td key="span" :props="props">
    <div class="who" :style="{paddingLeft: (props.row.depth * 14) + 'px'}">
      <span class="dot" :style="{background: props.row.color}"></span>
      <a href="#span" :title="props.row.name" @click.prevent="() => $parent.$emit('pick', props.row.key)">
        <b>{{ props.row.service }}</b> {{ props.row.name }}</a>
      <span v-if="props.row.failed" class="tag bad">error</span>
      <span v-if="props.row.shift" class="tag warn" title="its clock differs from the root's">{{ props.row.shift }}</span>
    </div>
  </q-td>
  <q-td key="duration" :props="props">{{ props.row.duration }}</q-td>
  <q-td key="time" :props="props">
    <div class="track">
      <div class="bar" :style="{left: props.row.left + '%', width: props.row.width + '%', background: props.row.color}"></div>
      <div v-for="part in props.row.critical" class="critical" :style="{left: part[0] + '%', width: part[1] + '%'}"></div>
      <div v-for="log in props.row.logs" class="log" :class="log[1]" :style="{left: log[0] + '%'}"></div>
    </div>
  </q-td>
</q-tr>
"""

LOGS = (
    Column("time", "After start", right=True),
    Column("service", "Service"),
    Column("level", "Level"),
    Column("text", "Log"),
)

HOPS = (
    Column("caller", "Caller"),
    Column("callee", "Callee"),
    Column("operation", "Operation"),
    Column("client", "Caller waited", right=True),
    Column("server", "Callee duration", right=True),
    Column("gap", "Network and queue", right=True),
    Column("own", "Own time", right=True),
    Column("critical", "Critical path %", right=True),
)


def add(console: Console) -> None:
    """Put the page at /traces/TRACE_ID."""

    @ui.page("/traces/{trace_id}", title="Trace · Spanloom")
    def page(trace_id: str, range: str = DEFAULT_RANGE, environment: str = "") -> None:  # noqa: A002  the parameter's name in the address
        view = View(console, "Trace", f"/traces/{trace_id}", range, environment, section="/traces")
        shown = _TracePage(view, trace_id)
        shown.view.refresh(shown.load)


class _TracePage:
    """The elements of one page, and the trace that they show."""

    def __init__(self, view: View, trace_id: str) -> None:
        self.view = view
        self._trace_id = trace_id
        self._found: Body | None = None
        self._picked = ""
        self._by_root_clock = False
        with view.body:
            self._lead = ui.label().classes("lead")
            with ui.element("div").classes("stack") as self._content:
                self._tiles = ui.element("div").classes("tiles")
                heading("Waterfall", 2)
                self._clocks = ui.toggle(CLOCKS, value=False, on_change=self._choose_clock)
                self._clocks.props('dense no-caps unelevated aria-label="Times of the waterfall"').style(
                    "align-self: flex-start"
                )
                self._legend = ui.element("div").classes("legend")
                self._waterfall = _waterfall_table()
                self._waterfall.on("pick", self._pick)
                self._details = ui.element("div")
                heading("Logs", 2)
                self._logs = Table(
                    "Logs of the trace", LOGS, "No log has this trace's id. Logs join a trace by their trace_id."
                )
                heading("Hops", 2)
                self._hops = Table("Hops of the trace", HOPS, "No call between two nodes was found in this trace.")
            self._content.visible = False

    async def load(self) -> None:
        """Show the trace as it is stored now; a page of one that did not change is left alone."""
        found = await self.view.console.reader.trace(self._trace_id)
        if found is None:
            self._lead.text = f"Trace {self._trace_id} not found: it may still be in progress, or past retention."
        elif found != self._found:
            self._found = found
            self._show(found)

    def _show(self, found: Body) -> None:
        trace = found["trace"] or {}
        spans, path, logs = found["spans"], trace.get("critical_path", ()), found["logs"]
        if self._by_root_clock:
            spans, path, logs = by_root_clock(spans, logs)
        drawn = waterfall(spans, path, logs)
        self._clocks.visible = any(span["adjusted"]["shift"] for span in found["spans"])
        self._content.visible = True
        self._lead.text = f"{_root(trace)} · {date_time(drawn.start)} UTC · {self._trace_id}"
        services = sorted({bar.service for bar in drawn.bars})
        colors = {service: PALETTE[place % len(PALETTE)] for place, service in enumerate(services)}
        self._show_tiles(found, trace, drawn.duration)
        self._show_legend(colors, len(drawn.bars))
        self._waterfall.rows = [_bar(bar, colors, by_root_clock=self._by_root_clock) for bar in drawn.bars[:MAX_BARS]]
        self._logs.show([(log["_id"], _log(log, drawn.start)) for log in logs])
        self._hops.show([(hop["_id"], _hop(hop)) for hop in sorted(found["hops"], key=lambda hop: (hop["start"], hop["id"]))])

    def _show_tiles(self, found: Body, trace: Body, whole: int) -> None:
        self._tiles.clear()
        with self._tiles:
            tile("Duration", duration(whole))
            tile("Spans", amount(len(found["spans"])))
            tile("Errors", amount(trace.get("errors", 0)), "bad" if trace.get("errors") else "")
            tile("Logs", amount(len(found["logs"])))
            completeness = trace.get("completeness", 0)
            early = bool(trace.get("cut"))  # by a limit: more of it may have come, or may come
            share = f"{completeness:.0%}" + (", closed early" if early else "")
            tile("Complete", share, "" if completeness >= 1 and not early else "warn")

    def _show_legend(self, colors: dict[str, str], bars: int) -> None:
        self._legend.clear()
        with self._legend:
            for service, color in colors.items():
                with ui.element("span"):
                    ui.element("span").style(f"width: 10px; height: 10px; border-radius: 3px; background: {color}")
                    ui.label(service)
            with ui.element("span"):
                ui.element("span").style("width: 22px; height: 3px; background: var(--ink)")
                ui.label("critical path")
            with ui.element("span"):
                ui.element("span").style("width: 3px; height: 12px; background: var(--quiet)")
                ui.label("log (amber: warning, red: error)")
            if bars > MAX_BARS:
                ui.label(f"The first {MAX_BARS:,} of {bars:,} spans.")

    def _choose_clock(self, event: ValueChangeEventArguments[bool]) -> None:
        self._by_root_clock = event.value
        if self._found is not None:
            self._show(self._found)

    def _pick(self, event: GenericEventArguments) -> None:
        self._picked = "" if event.args == self._picked else str(event.args)
        for row in self._waterfall.rows:
            row["picked"] = row["key"] == self._picked
        self._waterfall.update()
        span = next((span for span in (self._found or {"spans": ()})["spans"] if span["span_id"] == self._picked), None)
        self._details.clear()
        if span is not None:
            with self._details:
                facts("Details of the span", _facts(span, self.view))


def _root(trace: Body) -> str:
    """Where the trace begins, in words."""
    if not trace:
        return "Still open: its call graph comes when it has been quiet for a few seconds"
    root = trace["root"]
    return f"{root['service']} {root['operation']}".strip() or "The root is missing"


def _waterfall_table() -> ui.table:
    columns = [
        {
            "name": "span",
            "label": "Service and operation",
            "field": "name",
            "align": "left",
            "style": "width: 34%; max-width: 0",
        },
        {"name": "duration", "label": "Duration", "field": "duration", "align": "right", "style": "width: 8em"},
        {"name": "time", "label": "Time", "field": "left", "align": "left"},
    ]
    table = ui.table(columns=columns, rows=[], row_key="key").classes("sheet waterfall")
    table.props('flat dense role=region aria-label="Waterfall of spans"').add_slot("body", _BAR)
    return table


def _bar(bar: Bar, colors: dict[str, str], *, by_root_clock: bool) -> dict[str, object]:
    span = bar.span
    shift = span["adjusted"]["shift"] if by_root_clock else 0
    return {
        "key": span["span_id"],
        "service": bar.service,
        "name": span["name"],
        "depth": bar.depth,
        "duration": duration(span["duration"]),
        "left": bar.left,
        "width": bar.width,
        "critical": bar.critical,
        "logs": bar.logs,
        "color": colors[bar.service],
        "failed": span["status"]["code"] == "Error",
        "shift": _signed(shift) if shift else "",
        "picked": False,
    }


def _facts(span: Body, view: View) -> list[tuple[str, str, str]]:
    """All that a span says: name, value, and where it leads to or nothing."""
    status = span["status"]
    pairs = [
        ("span", f"{span['span_id']} ({span['kind']})"),
        ("service", service_of(span)),
        ("start", f"{date_time(span['start'])} UTC"),
        ("start by the root's clock", _adjusted(span["adjusted"])),
        ("duration", duration(span["duration"])),
        ("status", f"{status['code']} {status.get('message', '')}".strip()),
        ("scope", span["scope"]["name"]),
    ]
    pairs += [
        (f"event at {duration(event['time'] - span['start'])}", _plain(event["name"], event["attributes"]))
        for event in span.get("events", ())
    ]
    links = [
        ("link", f"{link['trace_id']} {link['span_id']}", view.link(f"/traces/{link['trace_id']}"))
        for link in span.get("links", ())
    ]
    attributes = [(name, _plain(value)) for name, value in sorted(span["attributes"].items())]
    attributes += [(f"resource {name}", _plain(value)) for name, value in sorted(span["resource"]["attributes"].items())]
    return [*((name, value, "") for name, value in pairs), *links, *((name, value, "") for name, value in attributes)]


def _adjusted(times: Body) -> str:
    """When a span began by the clock of its trace's root, and how sure that is."""
    if times["error"] is None:
        return "unknown: no call shows how far the two clocks differ"
    shifted = f"{_signed(times['shift'])} shift" if times["shift"] else "not shifted"
    return f"{date_time(times['start'])} UTC, {shifted}, ± {duration(times['error'])}"


def _signed(shift: int) -> str:
    return f"{'+' if shift > 0 else ''}{duration(shift)}"


def _plain(*values: object) -> str:
    return " ".join(value if isinstance(value, str) else orjson.dumps(value).decode() for value in values)


def _log(log: Body, start: int) -> dict[str, Cell]:
    body = log.get("body", {"text": ""})
    text = _plain(body["text"] if "text" in body else body.get("structured"))
    after = log["@timestamp"] - start
    tone = severity(log)
    return {
        "time": Cell(after, duration(after), tone="quiet"),
        "service": Cell(service_of(log)),
        "level": Cell(log["severity_number"], log["severity_text"], tone=f"tag {tone}" if tone else "quiet"),
        "text": Cell(text, text, tone="mono"),
    }


def _hop(hop: Body) -> dict[str, Cell]:
    return {
        "caller": Cell(hop["caller"]["name"]),
        "callee": Cell(hop["callee"]["name"], tone="bad" if hop["failed"] else ""),
        "operation": Cell(hop["operation"]),
        "client": Cell(hop["client_duration"], duration(hop["client_duration"])),
        "server": Cell(hop["server_duration"], duration(hop["server_duration"])),
        "gap": Cell(hop["gap"], duration(hop["gap"] if hop["gap"] is not None else hop["queue_wait"])),
        "own": Cell(hop["self_time"], duration(hop["self_time"])),
        "critical": Cell(hop["critical_path_share"], share(hop["critical_path_share"], 1)),
    }
