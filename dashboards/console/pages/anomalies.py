"""Anomalies: what deviates, since when, how much and why; above them the last ranking of culprits with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from dashboards.console.format import ago, date_time, duration, short
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.table import Cell, Column, Table
from stores.store import Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from telemetry.documents import Body

MAX_ANOMALIES = 1_000
"""Anomalies shown, the newest."""

GRAVE = 0.9
"""Scores from here on are shown in red."""

ANOMALIES = (
    Column("end", "Seen (UTC)"),
    Column("service", "Service"),
    Column("kind", "Kind"),
    Column("score", "Score", right=True),
    Column("why", "Why"),
    Column("where", "Where"),
    Column("lasted", "Window", right=True),
    Column("trace", "Trace"),
    Column("environment", "Environment"),
)

CULPRITS = (
    Column("rank", "Rank"),
    Column("service", "Service"),
    Column("score", "Score", right=True),
    Column("evidence", "Evidence"),
    Column("trace", "Trace"),
)


def add(console: Console) -> None:
    """Put the page at /anomalies."""

    @ui.page("/anomalies", title="Anomalies · Spanloom")
    def page(range: str = DEFAULT_RANGE, environment: str = "") -> None:  # noqa: A002  the parameter's name in the address
        view = View(console, "Anomalies", "/anomalies", range, environment)
        with view.body:
            heading("Likely causes", 2)
            when = ui.label().classes("lead")
            culprits = Table(
                "Culprits",
                CULPRITS,
                "No ranking in this time: culprits are named when an anomaly is found, the likeliest first.",
            )
            heading("Anomalies", 2)
            anomalies = Table(
                "Anomalies",
                ANOMALIES,
                "Nothing deviated in this time. Each service is compared with its own past, so the first minutes after\n"
                "the start only teach what is usual.",
            )

        async def load() -> None:
            now = console.now()
            found = await console.reader.find(
                Query(Kind.ANOMALY, view.within, view.since, descending=True, limit=MAX_ANOMALIES)
            )
            anomalies.show([(body["_id"], _anomaly(view, body)) for body in found])
            rankings = await console.reader.find(Query(Kind.CULPRIT, view.within, view.since, descending=True, limit=1))
            suspects = rankings[0]["ranking"] if rankings else ()
            ranked_at = rankings[0]["@timestamp"] if rankings else now
            of = rankings[0]["environment"] if rankings else ""
            when.text = f"In {of}, as of {date_time(ranked_at)} UTC, {ago(ranked_at, now)}" if rankings else ""
            culprits.show([(str(rank), _culprit(view, rank, suspect)) for rank, suspect in enumerate(suspects, 1)])

        view.refresh(load)


def _anomaly(view: View, body: Body) -> dict[str, Cell]:
    where = " ".join(part for part in (body["operation"], body["instance"]) if part)
    return {
        "end": Cell(body["end"], date_time(body["end"]), tone="quiet line"),
        "environment": Cell(body["environment"] or DEFAULT_ENVIRONMENT),
        "service": Cell(body["service"], href=view.link("/traces", service=body["service"])),
        "kind": Cell(body["kind"], tone="tag"),
        "score": Cell(body["score"], f"{body['score']:.2f}", tone="bad" if body["score"] >= GRAVE else "warn"),
        "why": Cell(body["why"]),
        "where": Cell(where, where or body["series"]["name"], tone="mono"),
        "lasted": Cell(body["end"] - body["start"], duration(body["end"] - body["start"])),
        "trace": _trace(view, body["trace_ids"]),
    }


def _culprit(view: View, rank: int, suspect: Body) -> dict[str, Cell]:
    evidence = sorted(suspect["evidence"], key=lambda one: -one["weight"])
    traces = [trace_id for one in evidence for trace_id in one["trace_ids"]]
    name = " ".join(part for part in (suspect["service"], suspect["instance"]) if part)
    return {
        "rank": Cell(rank),
        "service": Cell(name, name, view.link("/traces", service=suspect["service"])),
        "score": Cell(suspect["score"], f"{suspect['score']:.3f}"),
        "evidence": Cell("; ".join(one["text"] for one in evidence)),
        "trace": _trace(view, traces),
    }


def _trace(view: View, trace_ids: list[str]) -> Cell:
    first = next(iter(trace_ids), "")
    return Cell(first, short(first), view.link(f"/traces/{first}") if first else "", "mono line")
