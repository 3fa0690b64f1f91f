from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dashboards.api import routes
from dashboards.api.answers import Answers
from dashboards.api.happenings.events import MAX_LISTENERS, Events
from dashboards.api.happenings.routes import happening_routes
from dashboards.read_models.reader import Reader
from stores.store import BusyError
from telemetry.audit import Chain
from telemetry.documents import Document, Kind
from telemetry.sentences import parts_of
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.duckdb.store import DuckDbStore

BEGUN = shop.NOW - 200 * shop.SECOND


@pytest.fixture
async def client(store: DuckDbStore) -> AsyncIterator[httpx2.AsyncClient]:
    await store.write(shop.documents())
    reader, app = Reader(store), FastAPI()
    app.include_router(happening_routes(reader.reads, Answers(now), Events(reader, now), now))
    routes.answer_errors(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console") as client:
        yield client


def now() -> int:
    return shop.NOW


async def get(client: httpx2.AsyncClient, path: str, **asked: Any) -> Any:
    response = await client.get(path, params=asked)
    assert response.status_code == 200, response.text
    return response.json()


async def test_freshness_is_the_time_of_the_newest_document_of_each_signal(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/freshness")
    newest = {one["signal"]: one["newest"] for one in shown["signals"]}
    documents = shop.documents()
    for signal, kind in (("spans", Kind.SPAN), ("logs", Kind.LOG), ("edges", Kind.EDGE), ("alerts", Kind.ALERT)):
        assert newest[signal] == max(one.time for one in documents if one.kind is kind)
    assert (newest["metrics"], shown["newest"]) == (None, newest["spans"])
    nowhere = await get(client, "/api/v1/freshness", environment="nowhere")
    assert nowhere["newest"] is None


async def test_a_past_ranking_is_reached_by_its_time(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/rankings", since=0, until=shop.NOW, at=BEGUN + 20 * shop.SECOND)
    assert [suspect["service"] for suspect in shown["rankings"][0]["suspects"]] == ["payment", "checkout"]
    earlier = await get(client, "/api/v1/rankings", since=0, until=shop.NOW, at=BEGUN)
    assert (earlier["total"], earlier["rankings"]) == (1, [])


async def test_anomalies_are_counted_by_the_store_and_the_newest_come_first(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/anomalies", service="payment", kind="latency", limit=2)
    assert shown["total"] == 3
    assert [one["start"] for one in shown["anomalies"]] == [BEGUN + 2 * shop.WINDOW, BEGUN + shop.WINDOW]
    assert (await get(client, "/api/v1/anomalies", service="cart"))["total"] == 0


async def test_incidents_are_their_newest_revision_with_the_cause_of_that_time(
    client: httpx2.AsyncClient, store: DuckDbStore
) -> None:
    shown = await get(client, "/api/v1/incidents")
    (one,) = shown["incidents"]
    assert (shown["total"], shown["open"], one["state"], one["cause"]["service"]) == (1, 0, "closed", "payment")
    await store.write([one for one in map(reopened, shop.documents()) if one is not None])
    shown = await get(client, "/api/v1/incidents", state="open")
    assert [(one["id"], one["can_approve"]) for one in shown["incidents"]] == [("incident-2", True)]
    assert (await get(client, "/api/v1/incidents", state="closed"))["total"] == 1
    assert (await get(client, "/api/v1/incidents", fingerprint="f"))["total"] == 2
    assert (await get(client, "/api/v1/incidents", fingerprint="g"))["total"] == 0


def reopened(document: Document) -> Document | None:
    """The shop's repair as another that waits for a person, and what its command printed."""
    if document.kind is not Kind.INCIDENT or document.body["state"] == "closed":
        return None
    body = document.body | {"id": "incident-2", "state": "approving", "why": "exit code 3: secret"}
    return replace(document, id="incident-2.2", body=body)


async def test_what_commands_printed_is_for_operators(client: httpx2.AsyncClient, store: DuckDbStore) -> None:
    await store.write([one for one in map(reopened, shop.documents()) if one is not None])
    for path in ("/api/v1/incidents", "/api/v1/incidents/incident-2"):
        assert "secret" not in (await client.get(path)).text


async def test_an_incident_has_its_lanes_its_audit_in_words_and_its_callers(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/incidents/incident-1")
    lanes = {lane["lane"]: lane["events"] for lane in shown["lanes"]}
    assert len(lanes["metric"]) == 3
    pending, firing = lanes["alert"]
    assert [(one["title"], one["state"]) for one in (pending, firing)] == [
        ("SlowService", "pending"),
        ("SlowService", "firing"),
    ]
    assert (pending["end"], firing["end"]) == (firing["start"], None)
    assert [one["title"] for one in lanes["repair"]] == ["take-out", "restart"]
    edges = [one for one in shop.documents() if one.kind is Kind.EDGE and shown["since"] <= one.time < shown["until"]]
    near = [one.body for one in edges if one.body["callee"]["name"] == "payment"]
    assert [(one["name"], one["calls"], one["failures"]) for one in shown["callers"]] == [
        ("checkout", sum(body["calls"] for body in near), sum(body["failures"] for body in near))
    ]
    assert (shown["alert"], shown["can_release"]) == (None, True)
    assert shown["ranking"]["suspects"][0]["service"] == "payment"
    assert [one["event"] for one in shown["audit"]] == ["matched", "step-started", "verified"]
    assert (await client.get("/api/v1/incidents/none")).status_code == 404


async def test_records_of_one_moment_stand_as_they_were_written(client: httpx2.AsyncClient, store: DuckDbStore) -> None:
    chain, events = Chain("moment"), ["matched", "approved", "step-intended", "step-done", "closed"]
    records = [chain.append(shop.NOW, event, {}, "incident-1").document() for event in events]
    await store.write([records[3], records[0], records[4], records[2], records[1]])
    shown = await get(client, "/api/v1/incidents/incident-1")
    assert [one["event"] for one in shown["audit"] if one["chain"] == "moment"] == events


async def said(events: AsyncIterator[bytes], number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while len(found) < number:
            head, _, data = (await anext(events)).decode().strip().partition("\ndata: ")
            if head != "event: heartbeat":
                found[head.removeprefix("event: ")] = orjson.loads(data)
    return found


async def test_listeners_hear_what_there_is_and_then_what_has_changed(store: DuckDbStore) -> None:
    await store.write(shop.documents())
    events = Events(Reader(store), now, every=0.01, heartbeat=0.05)
    heard = events.listen("")
    first = await said(heard, 4)
    assert first["store"] == {"readable": True}
    assert (first["alerts"]["firing"], first["incidents"]["open"]) == (1, 0)
    await store.write([one for one in map(reopened, shop.documents()) if one is not None])
    changed = await said(heard, 1)
    assert changed["incidents"]["ids"] == ["incident-2"]
    await heard.aclose()  # type: ignore[attr-defined] # a generator


async def test_an_acknowledgement_is_news_of_incidents_and_a_store_that_is_away_is_news_too(store: DuckDbStore) -> None:
    await store.write(shop.documents())
    changed_names: list[str] = []
    events = Events(Reader(store), now, every=0.01, heartbeat=0.05, changed=changed_names.append)
    heard = events.listen("")
    first = await said(heard, 4)
    assert changed_names == ["alerts", "incidents"]
    await store.write([Chain("other").append(shop.NOW, "acknowledged", {"who": "ann"}, "incident-1").document()])
    changed = await said(heard, 1)
    assert changed_names == ["alerts", "incidents", "incidents"]
    assert changed["incidents"]["documents"] == first["incidents"]["documents"] + 1
    await store.close()
    assert await said(heard, 1) == {"store": {"readable": False}}
    await heard.aclose()  # type: ignore[attr-defined] # as above


async def test_silence_is_broken_by_heartbeats_and_one_listener_too_many_is_refused(store: DuckDbStore) -> None:
    registry = CollectorRegistry()
    events = Events(Reader(store), now, registry, every=0.01, heartbeat=0.02)
    heard = events.listen("")
    await said(heard, 4)
    async with asyncio.timeout(60):
        assert await anext(heard) == b"event: heartbeat\ndata: {}\n\n"
    others = [events.listen("") for _ in range(MAX_LISTENERS - 1)]
    async with asyncio.timeout(60):
        for one in others:
            await anext(one)
    with pytest.raises(BusyError):
        events.listen("")
    assert registry.get_sample_value("spanloom_console_listeners_refused_total") == 1
    for one in (heard, *others):
        await one.aclose()  # type: ignore[attr-defined] # as above


async def test_what_is_said_comes_with_its_parts(client: httpx2.AsyncClient) -> None:
    (one,) = (await get(client, "/api/v1/incidents"))["incidents"]
    assert one["why_parts"] == {"code": "recovery_verified", "values": {}}
    assert one["cause"]["text_parts"] == parts_of(shop.SLOWER)
    detail = await get(client, "/api/v1/incidents/incident-1")
    assert [step["detail_parts"] for step in detail["steps"]] == [{"code": "step_done", "values": {}}] * 2
    assert {each["text_parts"]["code"] for lane in detail["lanes"][:1] for each in lane["events"]} == {"measured_times"}
    first = detail["ranking"]["suspects"][0]
    assert [each["text_parts"] for each in first["evidence"]] == [parts_of(shop.SLOWER), parts_of(shop.DECLINED)]
    (anomaly, *_) = (await get(client, "/api/v1/anomalies", service="payment"))["anomalies"]
    assert anomaly["why_parts"]["values"]["subject"]["code"] == "subject_series"


async def test_what_a_release_before_stored_has_no_parts(client: httpx2.AsyncClient, store: DuckDbStore) -> None:
    documents = [one for one in shop.documents() if one.kind in {Kind.ANOMALY, Kind.INCIDENT, Kind.CULPRIT}]
    for one in documents:
        bare = orjson.loads(orjson.dumps(one.body))
        for gone in ("why_parts", "step_parts"):
            bare.pop(gone, None)
        for suspect in bare.get("ranking", ()):
            for evidence in suspect["evidence"]:
                del evidence["text_parts"]
        await store.write([replace(one, id=f"old-{one.id}", body=bare | ({"id": "old"} if one.kind is Kind.INCIDENT else {}))])
    detail = await get(client, "/api/v1/incidents/old")
    assert (detail["why"], detail["why_parts"]) == ("recovery verified", None)
    assert {step["detail_parts"] for step in detail["steps"]} == {None}


async def test_an_error_comes_with_its_parts(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/incidents/none")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "no incident 'none' is stored",
        "parts": {"code": "no_incident", "values": {"incident": "none"}},
    }
