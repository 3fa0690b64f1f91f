"""Alerts as they stand, and what became of the notifications about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from dashboards.console.format import ago, amount, date_time, duration
from dashboards.console.page import DEFAULT_RANGE, Console, View, heading
from dashboards.console.table import Cell, Column, Table
from dashboards.read_models.alerts import is_open
from stores.store import Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from telemetry.documents import Body

MAX_ALERTS = 1_000
"""Notifications shown, the newest."""

TONES = {"firing": "tag bad", "pending": "tag warn", "resolved": "tag good", "inactive": "tag quiet"}

ALERTS = (
    Column("state", "State"),
    Column("name", "Alert"),
    Column("service", "Service"),
    Column("summary", "Summary"),
    Column("since", "Since (UTC)"),
    Column("lasted", "Lasts", right=True),
    Column("value", "Value", right=True),
    Column("environment", "Environment"),
)

NOTIFICATIONS = (
    Column("time", "Time (UTC)"),
    Column("outcome", "Outcome"),
    Column("about", "About"),
    Column("receiver", "Receiver"),
    Column("status", "Status"),
    Column("alerts", "Firing / resolved", right=True),
    Column("attempts", "Attempts", right=True),
    Column("why", "Why"),
)


def add(console: Console) -> None:
    """Put the page at /alerts."""

    @ui.page("/alerts", title="Alerts · Spanloom")
    def page(range: str = DEFAULT_RANGE, environment: str = "") -> None:  # noqa: A002  the parameter's name in the address
        view = View(console, "Alerts", "/alerts", range, environment)
        with view.body:
            alerts = Table(
                "Alerts",
                ALERTS,
                "No alert fires, and none ended in this time. Rules are in Prometheus' rule-file format;\n"
                "`spanloom rules check FILE` says whether one is right.",
            )
            heading("Notifications", 2)
            notifications = Table(
                "Notifications",
                NOTIFICATIONS,
                "Nobody was notified in this time.\n"
                "Receivers and routes are in Alertmanager's format, in the file that `alerting.receivers` names.",
            )

        async def load() -> None:
            now, since = console.now(), view.since
            found = await console.reader.alerts(view.environment)
            shown = [alert for alert in found if is_open(alert) or since is None or alert["time"] >= since]
            alerts.show([(alert["_id"], _alert(view, alert, now)) for alert in shown])
            sent = await console.reader.find(Query(Kind.NOTIFICATION, view.within, since, descending=True, limit=MAX_ALERTS))
            notifications.show([(body["_id"], _notification(view, body)) for body in sent])

        view.refresh(load)


def _alert(view: View, alert: Body, now: int) -> dict[str, Cell]:
    since = alert["starts_at"] or alert["active_at"]
    lasted = (alert["ends_at"] or now) - since
    summary = alert["annotations"].get("summary") or alert["annotations"].get("description") or alert["expr"]
    value = alert["value"]
    return {
        "state": Cell(alert["state"], tone=TONES[alert["state"]]),
        "name": Cell(alert["labels"].get("alertname", "?"), href=view.link(f"/alerts/{alert['fingerprint']}")),
        "environment": Cell(alert.get("environment", DEFAULT_ENVIRONMENT)),
        "service": Cell(alert["service"], href=view.link("/traces", service=alert["service"]) if alert["service"] else ""),
        "summary": Cell(summary),
        "since": Cell(since, f"{date_time(since)} ({ago(since, now)})", tone="quiet line"),
        "lasted": Cell(lasted, duration(lasted)),
        "value": Cell(value, "" if value is None else amount(value)),
    }


def _notification(view: View, body: Body) -> dict[str, Cell]:
    if body["outcome"] == "suppressed":
        return _suppression(view, body)
    delivered = body["outcome"] == "delivered"
    about = " ".join(body["group_labels"].values()) or "all alerts"
    return {
        "time": Cell(body["@timestamp"], date_time(body["@timestamp"]), tone="quiet line"),
        "outcome": Cell("delivered" if delivered else "failed", tone="tag good" if delivered else "tag bad"),
        "about": Cell(about, href=view.link(f"/alerts/{body['alerts'][0]}") if len(body["alerts"]) == 1 else ""),
        "receiver": Cell(body["integration"]),
        "status": Cell(body["status"], tone=TONES[body["status"]]),
        "alerts": Cell(body["firing"], f"{body['firing']} / {body['resolved']}"),
        "attempts": Cell(body["attempts"]),
        "why": Cell(body["error"]),
    }


def _suppression(view: View, body: Body) -> dict[str, Cell]:
    """An alert that was left out: why, and by which other alert."""
    by, reason = body["by"], body["reason"]
    about = " ".join(body["labels"][name] for name in ("alertname", "service") if name in body["labels"])
    culprit = view.link(f"/alerts/{reason.partition(',')[0]}") if by == "inhibition" else ""
    return {
        "time": Cell(body["@timestamp"], date_time(body["@timestamp"]), tone="quiet line"),
        "outcome": Cell("suppressed", tone="tag quiet"),
        "about": Cell(about, href=view.link(f"/alerts/{body['alerts'][0]}")),
        **{name: Cell(None) for name in ("receiver", "status", "alerts", "attempts")},
        "why": Cell(f"{by}: {' → '.join(body['path']) or reason}", href=culprit),
    }
