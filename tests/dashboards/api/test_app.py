from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dashboards.api.app import build_app
from dashboards.api.server import ConsoleServer
from tests.dashboards import shop

if TYPE_CHECKING:
    from stores.duckdb.store import DuckDbStore


async def test_an_app_can_be_built_and_served_again_in_the_same_process(store: DuckDbStore) -> None:
    for turn in ("first", "second"):
        route = Route("/turn", lambda _, turn=turn: PlainTextResponse(turn))
        app = build_app(store, dict, CollectorRegistry(), lambda: shop.NOW, [route])
        server = ConsoleServer(app, port=0)
        await server.start()
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/turn")).text == turn
            assert (await client.get("/healthz")).json() == {"status": "ok", "reasons": []}
            assert "<title>Spanloom</title>" in (await client.get("/")).text
            described = (await client.get("/openapi.json")).json()
            assert {"/healthz", "/readyz", "/metrics", "/api/v1/find", "/api/v1/status"} <= described["paths"].keys()
        await server.stop()
