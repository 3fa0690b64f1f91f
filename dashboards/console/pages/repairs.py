"""Repairs: incidents with the steps of their playbook, and the audit trail of the one that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from nicegui import ui

from alerting.playbooks.child_output import without_output
from components.access.identity import identity_of
from components.access.roles import Right
from dashboards.console.format import ago, date_time, duration, flat, short
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.table import Cell, Column, Table
from stores.store import Equals, Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Body

MAX_RECORDS = 2_000
"""Records of an incident that are shown, the first."""

STATES = {"closed": "tag good", "escalated": "tag bad", "approving": "tag warn"}
PROGRESS = {"done": "good", "failed": "bad", "unknown": "bad", "not-undone": "bad", "intended": "warn", "undoing": "warn"}

INCIDENTS = (
    Column("state", "State"),
    Column("playbook", "Playbook"),
    Column("target", "Target"),
    Column("opened", "Opened (UTC)"),
    Column("lasted", "Duration", right=True),
    Column("why", "Outcome"),
    Column("environment", "Environment"),
)

STEPS = (
    Column("number", "Step"),
    Column("name", "Name"),
    Column("phase", "Phase"),
    Column("action", "Action"),
    Column("progress", "Progress"),
    Column("started", "Started (UTC)"),
    Column("lasted", "Duration", right=True),
    Column("detail", "Detail"),
)

AUDIT = (
    Column("sequence", "Record"),
    Column("time", "Time (UTC)"),
    Column("event", "Event"),
    Column("data", "Data"),
    Column("hash", "Hash"),
)


def add(console: Console) -> None:
    """Put the page at /repairs."""

    @ui.page("/repairs", title="Repairs · Spanloom")
    def page(
        range: str = DEFAULT_RANGE,  # noqa: A002  the parameter's name in the address
        incident: str = "",
        environment: str = "",
    ) -> None:
        view = View(console, "Repairs", "/repairs", range, environment)
        view.asked = {"incident": incident}
        shows_all = identity_of(ui.context.client.request).may(Right.OPERATE)

        def seen(bodies: Sequence[Body]) -> list[Body]:
            return list(bodies) if shows_all else [without_output(body) for body in bodies]

        with view.body:
            incidents = Table(
                "Incidents",
                INCIDENTS,
                "No playbook ran in this time. A playbook runs when an alert fires that its trigger names and the safety\n"
                "limits allow it; `spanloom playbooks dry-run` shows what would happen.",
            )
            with ui.element("div").classes("stack") as details:
                heading("Steps", 2)
                title = ui.label().classes("lead")
                steps = Table("Steps of the incident", STEPS, "Its playbook has no steps.")
                heading("Audit trail", 2)
                audit = Table("Audit trail of the incident", AUDIT, "Nothing is recorded of it.")

        async def load() -> None:
            now = console.now()
            since = view.since or 0
            all_ = await console.reader.incidents(view.environment)
            found = seen([body for body in all_ if not body["ended"] or body["ended"] >= since])
            incidents.show([(body["id"], _incident(view, body, now)) for body in found])
            shown = next((body for body in found if body["id"] == view.asked["incident"]), found[0] if found else None)
            details.visible = shown is not None
            if shown is None:
                return
            title.text = f"{shown['playbook']} on {_target(shown)}, opened {date_time(shown['opened'])} UTC"
            steps.show([(step["name"], _step(number, step)) for number, step in enumerate(shown["steps"], 1)])
            records = await console.reader.find(
                Query(Kind.AUDIT, (Equals("incident", shown["id"]),), sort="sequence", limit=MAX_RECORDS)
            )
            audit.show([(record["_id"], _record(record)) for record in seen(records)])

        view.refresh(load)


def _incident(view: View, body: Body, now: int) -> dict[str, Cell]:
    lasted = (body["ended"] or now) - body["opened"]
    return {
        "state": Cell(body["state"], tone=STATES.get(body["state"], "tag")),
        "playbook": Cell(body["playbook"], href=view.link("/repairs", incident=body["id"])),
        "environment": Cell(body["environment"]),
        "target": Cell(_target(body)),
        "opened": Cell(body["opened"], f"{date_time(body['opened'])} ({ago(body['opened'], now)})", tone="quiet line"),
        "lasted": Cell(lasted, duration(lasted)),
        "why": Cell(body["why"]),
    }


def _target(body: Body) -> str:
    return f"{body['service']} {body['instance']}".strip()


def _step(number: int, step: Body) -> dict[str, Cell]:
    lasted = step["ended"] - step["started"] if step["started"] and step["ended"] else None
    return {
        "number": Cell(number),
        "name": Cell(step["name"]),
        "phase": Cell(step["phase"]),
        "action": Cell(step["call"]["action"], tone="mono"),
        "progress": Cell(step["progress"], tone=f"tag {PROGRESS.get(step['progress'], 'quiet')}"),
        "started": Cell(step["started"], date_time(step["started"]) if step["started"] else "—", tone="quiet line"),
        "lasted": Cell(lasted, duration(lasted)),
        "detail": Cell(step["detail"]),
    }


def _record(record: Body) -> dict[str, Cell]:
    data = "\n".join(f"{name}: {_plain(value)}" for name, value in flat(record["data"]))
    return {
        "sequence": Cell(record["sequence"]),
        "time": Cell(record["time"], date_time(record["time"]), tone="quiet line"),
        "event": Cell(record["event"]),
        "data": Cell(data, tone="mono lines"),
        "hash": Cell(record["hash"], short(record["hash"]), tone="mono quiet line"),
    }


def _plain(value: object) -> str:
    return value.strip() if isinstance(value, str) else orjson.dumps(value).decode()
