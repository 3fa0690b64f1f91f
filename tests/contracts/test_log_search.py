"""The console's searches of logs and names on every store, against plain Python over the same documents."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING

import httpx2
from fastapi import FastAPI

from dashboards.api.attributes import attribute_routes
from dashboards.api.logs import log_routes
from dashboards.api.routes import answer_errors
from dashboards.api.traces import answer_search_errors
from dashboards.read_models.reader import Reader
from dashboards.search.asked import Asked
from dashboards.search.log_tail import MOST, LogTail
from telemetry.documents import Kind
from telemetry.documents.signals import log_document
from telemetry.logs import LogRecord
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from stores.store import Store
    from telemetry.documents import Body

NOON = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
TEXTS = ("order {} placed", "payment of order {} refused: card expired", "cache miss for user {}", "GET /cart/{} took 5 ms")


def records() -> list[LogRecord]:
    """Of ten seconds, thirty of each nanosecond in which there are some."""
    chance = random.Random(3)
    return [
        LogRecord(
            NOON + number // 30 * SECOND,
            TEXTS[number % 4].format(number),
            Resource({"service.name": f"s{number % 3}", "host.name": "h"}),
            severity=chance.choice([5, 9, 13, 17, 21]),
            attributes={"order": number % 7, "user.tier": chance.choice(["gold", "basic"])},
            trace_id=(number % 5).to_bytes(16, "big") if number % 5 else b"",
        )
        for number in range(300)
    ]


SEARCHES: dict[str, Callable[[Body], bool]] = {
    "": lambda _: True,
    "refused": lambda body: "refused" in body["body"]["text"],
    "ORDER placed": lambda body: {"order", "placed"} <= set(body["body"]["text"].split()),
    "order and not refused": lambda body: "order" in body["body"]["text"].split() and "refused" not in body["body"]["text"],
    "severity>=error": lambda body: body["severity_number"] >= 17,
    "severity=warn or severity<info": lambda body: body["severity_number"] in {5, 13},
    "severity!=error and service=s1": lambda body: (
        body["severity_number"] != 17 and body["resource"]["attributes"]["service.name"] == "s1"
    ),
    "order>=5 user.tier=gold": lambda body: body["attributes"]["order"] >= 5 and body["attributes"]["user.tier"] == "gold",
    "trace_id=2": lambda body: body.get("trace_id") == f"{2:032x}",
    "trace_id=nil and miss": lambda body: "trace_id" not in body and "miss" in body["body"]["text"],
}


async def app_of(store: Store) -> httpx2.AsyncClient:
    app, reader = FastAPI(), Reader(store)
    app.include_router(attribute_routes(reader))
    app.include_router(log_routes(reader, lambda: NOON + 60 * SECOND, LogTail(reader.reads, lambda: NOON)))
    answer_errors(app)
    answer_search_errors(app)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console")


async def test_logs_are_found_counted_and_paged_as_python_does(store: Store) -> None:
    documents = [log_document(record) for record in records()]
    assert (await store.write(documents)).created == 300
    await store.refresh([Kind.LOG])
    different: list[tuple[object, ...]] = []
    async with await app_of(store) as client:
        for text, holds in SEARCHES.items():
            wanted = {document.id: document.time for document in documents if holds(document.body)}
            for order in ("newest", "oldest"):
                found: list[tuple[str, int]] = []
                cursor, totals = "", set()
                while cursor is not None:
                    response = await client.get(
                        "/api/v1/logs", params={"q": text, "order": order, "limit": 47, "cursor": cursor}
                    )
                    assert response.status_code == 200, response.text
                    answer = response.json()
                    found += [(row["id"], row["time"]) for row in answer["logs"]]
                    totals.add(answer["total"])
                    cursor = answer["cursor"]
                sign = -1 if order == "newest" else 1
                if found != sorted(wanted.items(), key=lambda item: (sign * item[1], item[0])) or totals != {len(wanted)}:
                    different.append((text, order, len(found), len(wanted), totals))
        asked = {"since": NOON, "until": NOON + 10 * SECOND, "columns": 5}
        histogram = (await client.get("/api/v1/logs/histogram", params=asked)).json()
        templates = (await client.get("/api/v1/logs/templates", params={"q": "service=s1"})).json()
    assert different == []
    counts = Counter(
        (
            "error" if number >= 17 else "warn" if number >= 13 else "info" if number >= 9 else "other",
            (document.time - NOON) // (2 * SECOND),
        )
        for document in documents
        if (number := document.body["severity_number"])
    )
    assert {
        (one["severity"], column): number for one in histogram["series"] for column, number in enumerate(one["counts"])
    } == {
        (severity, column): counts[severity, column] for severity in ("other", "info", "warn", "error") for column in range(5)
    }
    assert {one["template"]: one["count"] for one in templates["templates"]} == dict.fromkeys(
        (
            "order <*> placed",
            "payment of order <*> refused: card expired",
            "cache miss for user <*>",
            "GET /cart/<*> took <*> ms",
        ),
        25,
    )
    assert (templates["examined"], templates["total"], templates["more"]) == (100, 100, False)


async def test_names_and_values_complete_what_is_typed(store: Store) -> None:
    await store.write([log_document(record) for record in records()])
    await store.refresh([Kind.LOG])
    async with await app_of(store) as client:
        names = (await client.get("/api/v1/attributes", params={"signal": "log"})).json()
        some = (await client.get("/api/v1/attributes", params={"signal": "log", "prefix": "SE"})).json()
        tiers = (await client.get("/api/v1/attributes/user.tier/values", params={"signal": "log", "prefix": "G"})).json()
        services = (await client.get("/api/v1/attributes/service/values", params={"signal": "log"})).json()
        severities = (await client.get("/api/v1/attributes/severity/values", params={"signal": "log", "prefix": "e"})).json()
        wrong = await client.get("/api/v1/attributes/x/values", params={"limit": 1000})
    assert {one["name"]: (one["where"], one["type"]) for one in names["attributes"]}.items() >= {
        "order": ("log", "number"),
        "user.tier": ("log", "string"),
        "host.name": ("resource", "string"),
        "severity": ("field", "string"),
    }.items()
    assert [one["name"] for one in some["attributes"]] == ["service", "service.name", "severity"]
    gold = sum(record.attributes["user.tier"] == "gold" for record in records())
    assert tiers["values"] == [{"value": "gold", "count": gold}]
    assert services["values"] == [{"value": f"s{number}", "count": 100} for number in range(3)]
    assert severities["values"] == [{"value": "error", "count": 0}]
    assert wrong.status_code == 400


async def test_the_tail_sends_each_new_record_once_and_counts_what_it_drops(store: Store) -> None:
    every = [
        log_document(LogRecord(NOON, f"line {number}", Resource({"service.name": "s"}), severity=9))
        for number in range(MOST + 40)
    ]
    await store.write(every[:5])
    await store.refresh([Kind.LOG])
    batches = iter((every[:10], every[10 : MOST + 30], [], every[MOST + 30 :]))

    async def arrives() -> None:
        await store.write(next(batches))
        await store.refresh([Kind.LOG])

    tail = LogTail(Reader(store).reads, lambda: NOON, pause=arrives)
    events = await tail.follow(Asked("line"))
    sent, dropped, quiet = [], 0, 0
    async for event in events:
        sent += [event.record["body"]["text"]] if event.record else []
        dropped += event.dropped
        quiet += event.record is None and not event.dropped
        if len(sent) == 5 + MOST + 10:
            break
    await events.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(set(sent)) == len(sent)
    assert set(sent[:5]) == {f"line {number}" for number in range(5, 10)}
    assert set(sent[-10:]) == {f"line {number}" for number in range(MOST + 30, MOST + 40)}
    assert (dropped, quiet) == (20, 1)


async def test_the_tail_is_a_stream_of_events(store: Store) -> None:
    record = log_document(LogRecord(NOON, "two\nlines", Resource({"service.name": "s"}), severity=9))

    async def arrives() -> None:
        await store.write([record])
        await store.refresh([Kind.LOG])

    app, reader = FastAPI(), Reader(store)
    app.include_router(log_routes(reader, lambda: NOON, LogTail(reader.reads, lambda: NOON, pause=arrives, looks=1)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        response = await client.get("/api/v1/logs/tail")
    assert response.headers["content-type"].startswith("text/event-stream")
    event, _id, data, *_ = response.text.splitlines()
    assert event == "event: log"
    assert json.loads(data.removeprefix("data: "))["text"] == "two\nlines"
