from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from alerting.alert_state import AlertChange, AlertState, fingerprint
from alerting.alerts import RESERVED
from components.access.identity import Identity, identify
from components.access.roles import Role
from dashboards.api.answers import Answers
from dashboards.api.system import SystemParts, system_routes
from dashboards.read_models.reader import Reader
from tests.dashboards import shop

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from stores.duckdb.store import DuckDbStore
    from telemetry.documents import Document

ROOT = Path(__file__).parents[3]

STATUS = {
    "dead_letters": 3,
    "lag": {"spanloom-traced": 5, "otlp_spans": 1, "otlp_logs": 2},
    "in_flight": {"rekey-spans": 4, "rekey-logs": 1, "assemble": 7},
    "stalled": [{"topic": "otlp_spans", "partition": 0, "offset": 9, "cause": "store"}],
}


def as_role(app: ASGIApp, role: Role) -> ASGIApp:
    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        identify(scope, Identity("ann", role, "token"))
        await app(scope, receive, send)

    return asked


async def system(parts: SystemParts, store: DuckDbStore, role: Role = Role.VIEWER) -> dict[str, Any]:
    app = FastAPI()
    app.include_router(system_routes(parts, Reader(store).reads, Answers(lambda: shop.NOW), lambda: shop.NOW))
    transport = httpx2.ASGITransport(app=as_role(app, role))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console") as client:
        found: dict[str, Any] = (await client.get("/api/v1/system")).json()
        return found


@pytest.mark.parametrize(("role", "configuration"), [(Role.VIEWER, None), (Role.OPERATOR, {"store": "duckdb://x"})])
async def test_stages_store_and_configuration_as_the_role_may_see_them(
    store: DuckDbStore, role: Role, configuration: dict[str, Any] | None
) -> None:
    documents = shop.documents()
    await store.write(documents)
    registry = CollectorRegistry()
    Counter("spanloom_dropped", "What was dropped", ["reason"], registry=registry).labels("too_late").inc(2)
    parts = SystemParts(store, lambda: STATUS, registry, {"store": "duckdb://x"}, lambda: {"otlp_http": "[::1]:14318"})
    shown = await system(parts, store, role)
    stages = {stage["name"]: (stage["running"], stage["lag"], stage["in_flight"]) for stage in shown["stages"]}
    assert stages == {
        "rekey": (True, 3, 5),
        "assemble": (True, 5, 7),
        "score": (False, None, None),
        "act": (False, None, None),
    }
    assert (shown["dropped"], shown["dead_letters"]) == ({"too_late": 2}, 3)
    assert shown["stalled"][0]["offset"] == 9
    assert shown["store"]["documents"]["span"] == sum(one.kind == "span" for one in documents)
    assert shown["configuration"] == configuration
    host = "[::1]" if role is Role.OPERATOR else ""
    assert shown["receivers"] == [{"name": "otlp_http", "host": host, "port": 14318}]


async def test_alerts_about_spanloom_itself_are_shown_by_whatever_names_them(store: DuckDbStore) -> None:
    def alert(name: str, state: AlertState = AlertState.FIRING, **labels: str) -> Document:
        labels = {"alertname": name, **labels}
        return AlertChange(
            fingerprint(labels), state, labels, {}, 1.0, shop.NOW, shop.NOW, 0, 0, "itself", "up == 0"
        ).document()

    rules = yaml.safe_load((ROOT / "deploy/prometheus/spanloom_rules.yml").read_text())["groups"]
    shipped = {rule["alert"] for group in rules for rule in group["rules"]}
    await store.write([alert(name, instance="worker-1") for name in sorted(shipped | RESERVED)])
    await store.write([alert("Mine", component="spanloom"), alert("Ours", AlertState.PENDING, service="spanloom")])
    await store.write([alert("SpanloomOver", AlertState.RESOLVED), alert("SlowService", service="payment")])
    shown = await system(SystemParts(store, lambda: STATUS, CollectorRegistry()), store)
    assert {one["name"] for one in shown["own_alerts"]} == shipped | RESERVED | {"Mine", "Ours"}
