"""One alert: what it says, what it is about, and how its state changed. Notifications lead here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from dashboards.console.description_list import facts
from dashboards.console.format import amount, date_time
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.pages.alerts import TONES
from dashboards.console.table import Cell, Column, Table
from stores.store import Equals, Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from telemetry.documents import Body

MAX_ROWS = 1_000
"""Changes shown, the newest."""

CHANGES = (Column("time", "Time (UTC)"), Column("state", "State"), Column("value", "Value", right=True))


def add(console: Console) -> None:
    """Put the page at /alerts/FINGERPRINT."""

    @ui.page("/alerts/{fingerprint}", title="Alert · Spanloom")
    def page(
        fingerprint: str,
        range: str = DEFAULT_RANGE,  # noqa: A002  the parameter's name in the address
        environment: str = "",
    ) -> None:
        view = View(console, "Alert", f"/alerts/{fingerprint}", range, environment, section="/alerts")
        with view.body:
            lead = ui.label().classes("lead")
            with ui.element("div").classes("stack") as content:
                said = ui.element("div")
                heading("Changes", 2)
                changes = Table("Changes of the alert", CHANGES, "None is stored.")
            content.visible = False
        shown: list[Body] = []

        async def load() -> None:
            where = (Equals("fingerprint", fingerprint),)
            found = await console.reader.find(Query(Kind.ALERT, where, descending=True, limit=MAX_ROWS))
            content.visible = bool(found)
            if not found:
                where_else = "it may be past retention; posted alerts and those of repairs are in `amtool alert`"
                lead.text = f"No alert {fingerprint} is stored: {where_else}."
            elif found != shown:
                shown[:] = found
                lead.text = f"{found[0]['labels'].get('alertname', '?')} is {found[0]['state']}"
                said.clear()
                with said:
                    facts("What the alert says", _facts(view, found[0]))
                changes.show([(change["_id"], _change(change)) for change in found])

        view.refresh(load)


def _facts(view: View, alert: Body) -> list[tuple[str, str, str]]:
    service = alert["service"]
    return [
        *((name, value, "") for name, value in alert["annotations"].items()),
        ("rule", f"{alert['group']}: {alert['expr']}", ""),
        *(
            (name, value, view.link("/traces", service=service) if name == "service" else "")
            for name, value in alert["labels"].items()
        ),
        ("likely causes", "Anomalies" if service else "", view.link("/anomalies")),
        ("what was done", "Repairs" if service else "", view.link("/repairs")),
    ]


def _change(change: Body) -> dict[str, Cell]:
    value = change["value"]
    return {
        "time": Cell(change["time"], date_time(change["time"]), tone="quiet line"),
        "state": Cell(change["state"], tone=TONES[change["state"]]),
        "value": Cell(value, "" if value is None else amount(value)),
    }
