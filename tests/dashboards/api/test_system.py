from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from components.access.identity import Identity, identify
from components.access.roles import Role
from dashboards.api.answers import Answers
from dashboards.api.system import SystemParts, system_routes
from dashboards.read_models.reader import Reader
from tests.dashboards import shop

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from stores.duckdb.store import DuckDbStore

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


@pytest.mark.parametrize(("role", "configuration"), [(Role.VIEWER, None), (Role.OPERATOR, {"store": "duckdb://x"})])
async def test_stages_store_and_configuration_as_the_role_may_see_them(
    store: DuckDbStore, role: Role, configuration: dict[str, Any] | None
) -> None:
    documents = shop.documents()
    await store.write(documents)
    registry = CollectorRegistry()
    Counter("spanloom_dropped", "What was dropped", ["reason"], registry=registry).labels("too_late").inc(2)
    app = FastAPI()
    parts = SystemParts(store, lambda: STATUS, registry, {"store": "duckdb://x"})
    app.include_router(system_routes(parts, Reader(store).reads, Answers(lambda: shop.NOW), lambda: shop.NOW))
    transport = httpx2.ASGITransport(app=as_role(app, role))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console") as client:
        shown = (await client.get("/api/v1/system")).json()
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
