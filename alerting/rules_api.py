"""`GET /api/v1/rules`: the rules in use and how each does, in the form of Prometheus's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from telemetry.documents import timestamp

if TYPE_CHECKING:
    from starlette.requests import Request

    from alerting.engine import AlertEngine
    from alerting.state import AlertChange

PATH = "/api/v1/rules"


def routes(engine: AlertEngine) -> list[Route]:
    """The route over one engine."""

    async def rules(_: Request) -> JSONResponse:
        return JSONResponse({"status": "success", "data": {"groups": rule_groups(engine)}})

    return [Route(PATH, rules, methods=["GET"])]


def rule_groups(engine: AlertEngine) -> list[dict[str, Any]]:
    """Each group with its rules, their health and the alerts that are pending or firing. Durations in seconds."""
    health = iter(engine.health())
    active: dict[tuple[str, str, str], list[AlertChange]] = {}
    for alert in engine.active():
        active.setdefault((alert.group, alert.labels["alertname"], alert.expr), []).append(alert)
    groups = []
    for group in engine.groups:
        rules = []
        for rule in group.rules:
            state = next(health)
            body: dict[str, Any] = {
                "name": rule.name,
                "query": rule.expr.text,
                "type": "alerting" if rule.kind == "alert" else "recording",
                "health": "unknown" if state.evaluated_at < 0 else "err" if state.error else "ok",
                "lastError": state.error,
                "lastEvaluation": timestamp(max(0, state.evaluated_at)),
                "labels": dict(rule.source.labels) if rule.source else {},
            }
            if rule.kind == "alert":
                alerts = active.get((group.name, rule.name, rule.expr.text), [])
                body |= {
                    "duration": rule.hold / 1e9,
                    "keepFiringFor": rule.keep_firing_for / 1e9,
                    "annotations": dict(rule.source.annotations) if rule.source else {},
                    "state": max((alert.state.value for alert in alerts), key=_STATES.index, default="inactive"),
                    "alerts": [_alert(alert) for alert in alerts],
                }
            rules.append(body)
        groups.append({"name": group.name, "file": group.file, "interval": group.interval / 1e9, "rules": rules})
    return groups


_STATES = ("inactive", "pending", "firing")


def _alert(alert: AlertChange) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": timestamp(alert.active_at),
        "value": repr(alert.value),
    }
