"""How alerts went, and who heard of them, over the shop's documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI

from dashboards.api import routes
from dashboards.api.answers import Answers
from dashboards.api.happenings.events import Events
from dashboards.api.happenings.routes import happening_routes
from dashboards.read_models.reader import Reader
from telemetry.documents import Kind, notification_document
from telemetry.sentences import parts_of
from telemetry.sentences.wording import Wording
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.duckdb.store import DuckDbStore

BEGUN = shop.NOW - 200 * shop.SECOND
ALERTS = [one for one in shop.documents() if one.kind is Kind.ALERT]


def now() -> int:
    return shop.NOW


@pytest.fixture
async def client(store: DuckDbStore) -> AsyncIterator[httpx2.AsyncClient]:
    await store.write(shop.documents())
    reader, app = Reader(store), FastAPI()
    app.include_router(happening_routes(reader.reads, Answers(now), Events(reader, now), now))
    routes.answer_errors(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console") as client:
        yield client


async def get(client: httpx2.AsyncClient, path: str, **asked: Any) -> Any:
    response = await client.get(path, params=asked)
    assert response.status_code == 200, response.text
    return response.json()


async def test_changes_are_counted_by_the_store_and_the_newest_come_first(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/alerts", limit=2)
    assert shown["total"] == len(ALERTS)
    assert [one["time"] for one in shown["alerts"]] == sorted((one.time for one in ALERTS), reverse=True)[:2]
    own = await get(client, "/api/v1/alerts", service="payment")
    assert [one["state"] for one in own["alerts"]] == ["firing", "pending"]
    assert (await get(client, "/api/v1/alerts", environment="nowhere"))["total"] == 0
    until = BEGUN + 15 * shop.SECOND
    assert [one["state"] for one in (await get(client, "/api/v1/alerts", since=0, until=until))["alerts"]] == ["pending"]


async def test_an_alert_has_what_happened_around_it(client: httpx2.AsyncClient) -> None:
    shown = await get(client, f"/api/v1/alerts/{shop.ALERT}")
    lanes = {lane["lane"]: lane["events"] for lane in shown["lanes"]}
    assert len(lanes["metric"]) == 3
    assert [(one["state"], one["end"]) for one in lanes["alert"]] == [("pending", lanes["alert"][1]["start"]), ("firing", None)]
    assert [one["state"] for one in shown["changes"]] == ["firing", "pending"]
    assert shown["ranking"]["suspects"][0]["service"] == "payment"
    assert {one["name"] for one in shown["callers"]} == {"checkout"}
    assert shown["trace_ids"] == [shop.trace(shop.FAULTY_FROM + 1).id.hex()]
    sent = [one for one in shop.documents() if one.kind is Kind.NOTIFICATION and shop.ALERT in one.body["alerts"]]
    assert [one["id"] for one in shown["notifications"]] == [one.id for one in sorted(sent, key=lambda one: -one.time)]
    answer = await client.get("/api/v1/alerts/none")
    assert (answer.status_code, answer.json()["parts"]["code"]) == (404, "no_alert")


async def test_a_notification_says_why_it_failed(client: httpx2.AsyncClient, store: DuckDbStore) -> None:
    error = Wording.ASKED_TO_PAUSE(reason="429", until="2030-01-01T00:00:00Z")
    body = {"key": "k", "outcome": "failed 3", "alerts": [shop.ALERT], "error": error, "error_parts": parts_of(error)}
    await store.write([notification_document(body, shop.NOW)])
    (first, *_) = (await get(client, "/api/v1/notifications"))["notifications"]
    assert (first["error"], first["error_parts"], first["attempts"]) == (error, parts_of(error), None)
    lanes = (await get(client, f"/api/v1/alerts/{shop.ALERT}"))["lanes"]
    assert lanes[-1]["events"][-1]["text_parts"] == parts_of(error)
