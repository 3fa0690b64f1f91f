"""Trace search: by service, operation, least duration, errors and time. The search is in the address, to be passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from dashboards.console.format import ago, amount, date_time, duration, short
from dashboards.console.page import DEFAULT_RANGE, Console, View
from dashboards.console.table import Cell, Column, Table
from stores.store import Contains, Equals, Query, Range
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stores.store import Filter
    from telemetry.documents import Body

MAX_TRACES = 200
"""Traces shown: past it, narrow the search."""

LONGEST_MS = 1e9

COLUMNS = (
    Column("trace", "Trace"),
    Column("root", "Root"),
    Column("start", "Start (UTC)"),
    Column("duration", "Duration", right=True),
    Column("spans", "Spans", right=True),
    Column("services", "Services", right=True),
    Column("errors", "Errors", right=True),
    Column("logs", "Logs", right=True),
    Column("complete", "Complete", right=True),
    Column("environment", "Environment"),
)


def add(console: Console) -> None:
    """Put the page at /traces."""

    @ui.page("/traces", title="Traces · Spanloom")
    def page(
        range: str = DEFAULT_RANGE,  # noqa: A002  the parameter's name in the address
        service: str = "",
        operation: str = "",
        min_ms: str = "",
        errors: str = "",
        by: str = "newest",
        environment: str = "",
    ) -> None:
        view = View(console, "Traces", "/traces", range, environment)
        view.asked = {"service": service, "operation": operation, "min_ms": min_ms, "errors": errors, "by": by}
        with view.body:
            service_field = _search(view)
            lead = ui.label().classes("lead")
            table = Table(
                "Traces",
                COLUMNS,
                "No such traces in this time. Widen the time range or the search, or send traces to the OTLP ports\n"
                "(4317 for gRPC, 4318 for HTTP): a trace is stored when it has been quiet for a few seconds.",
            )

        async def load() -> None:
            slowest = view.asked["by"] == "slowest"
            query = Query(
                Kind.TRACE,
                [*view.within, *conditions(view.asked)],
                view.since,
                sort="duration" if slowest else "@timestamp",
                descending=True,
                limit=MAX_TRACES,
            )
            found = await console.reader.find(query)
            service_field.set_autocomplete(sorted({name for body in found for name in body["services"]}))
            now = console.now()
            table.show([(body["_id"], _row(view, body, now)) for body in found])
            which = "slowest" if slowest else "newest"
            lead.text = f"The {which} {MAX_TRACES} {view.words}" if len(found) >= MAX_TRACES else f"{len(found)} {view.words}"

        view.refresh(load)


def _search(view: View) -> ui.input:
    """The fields of the search; returns that of the service."""

    def asking(name: str) -> Any:
        async def ask(event: Any) -> None:
            value = event.value
            view.asked[name] = ("yes" if value else "") if isinstance(value, bool) else str(value or "").strip()
            await view.ask()

        return ask

    asked = view.asked
    form = ui.element("form").classes("search").props("role=search")
    with form.on("submit", js_handler="(event) => event.preventDefault()"):
        fields = {
            name: ui.input(label, value=asked[name], on_change=asking(name)).props(f"dense outlined debounce=400 name={name}")
            for name, label in (("service", "Service"), ("operation", "Root operation"), ("min_ms", "Min duration, ms"))
        }
        ui.checkbox("With errors", value=bool(asked["errors"]), on_change=asking("errors"))
        ui.toggle(
            {"newest": "Newest", "slowest": "Slowest"},
            value="slowest" if asked["by"] == "slowest" else "newest",
            on_change=asking("by"),
        ).props('dense no-caps unelevated aria-label="Which first"')
    return fields["service"]


def conditions(asked: Mapping[str, str]) -> list[Filter]:
    """The filters of a search. What is no number of milliseconds is left aside: a person may still be typing."""
    filters: list[Filter] = []
    if asked["service"]:
        filters.append(Equals("services", asked["service"]))
    if asked["operation"]:
        filters.append(Contains("root.operation", asked["operation"]))
    if asked["errors"]:
        filters.append(Range("errors", at_least=1))
    try:
        milliseconds = float(asked["min_ms"] or 0)
    except ValueError:
        milliseconds = 0.0
    if 0 < milliseconds < LONGEST_MS:
        filters.append(Range("duration", at_least=milliseconds * 1_000_000))
    return filters


def _row(view: View, body: Body, now: int) -> dict[str, Cell]:
    root, trace_id = body["root"], body["trace_id"]
    name = f"{root['service']} {root['operation']}".strip() or "(root span missing)"
    link = view.link(f"/traces/{trace_id}")
    whole = body["completeness"] >= 1 and not body.get("cut")
    return {
        "trace": Cell(trace_id, short(trace_id), link, "mono line"),
        "environment": Cell(body.get("environment", DEFAULT_ENVIRONMENT)),
        "root": Cell(name, name, link),
        "start": Cell(body["start"], f"{date_time(body['start'])} ({ago(body['start'], now)})", tone="quiet line"),
        "duration": Cell(body["duration"], duration(body["duration"])),
        "spans": Cell(body["span_count"], amount(body["span_count"])),
        "services": Cell(len(body["services"])),
        "errors": Cell(body["errors"], tone="bad" if body["errors"] else "quiet"),
        "logs": Cell(body["logs"]["count"], tone="bad" if body["logs"]["errors"] else ""),
        "complete": Cell(body["completeness"], f"{body['completeness']:.0%}", tone="quiet" if whole else "warn"),
    }
