"""Alerts that are sent on to Alertmanagers, each a server of its own on this machine."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import ValidationError

from alerting.alert_state import fingerprint
from alerting.alerts import APPROVE, KEEP_RESOLVED, AlertStore, StoredAlert
from alerting.notify.forward import BATCH, AlertForwarder, AlertmanagersConfig
from components.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = 1_700_000_000 * SECOND


def alert(name: str, *, ends: int = 0, own: bool = True, notes: dict[str, str] | None = None) -> StoredAlert:
    labels = {"alertname": name}
    return StoredAlert(labels, notes or {}, START, ends, START, "http://spanloom/a", fingerprint(labels), own=own)


class Peer:
    """An Alertmanager's side: keeps what is posted, answers with `status`."""

    def __init__(self) -> None:
        self.status, self.retry_after = 200, ""
        self.posted: list[list[dict[str, Any]]] = []
        self.heads: list[str] = []
        self.address = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Peer]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:"))
            self.heads.append(head)
            self.posted.append(json.loads(await reader.readexactly(length)))
            wait = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
            writer.write(f"HTTP/1.1 {self.status} x\r\n{wait}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    def names(self) -> list[list[str]]:
        return [[item["labels"]["alertname"] for item in batch] for batch in self.posted]


class World:
    """A forwarder with a clock of its own."""

    def __init__(self, client: httpx2.AsyncClient, *addresses: str, **settings: Any) -> None:
        config = {"static_configs": [{"targets": list(addresses)}], **settings}
        self.now = START
        self.stores = {"default": AlertStore()}
        configs = [AlertmanagersConfig.model_validate(config)]
        self.forwarder = AlertForwarder(configs, client, lambda: self.now, lambda: self.stores)

    @property
    def store(self) -> AlertStore:
        return self.stores["default"]

    async def pass_time(self, nanoseconds: int = SECOND) -> None:
        """Let time pass, and what is due be sent."""
        self.now += nanoseconds
        self.forwarder.advance()
        await self.settle()

    async def settle(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "forward-alerts"]
        await asyncio.gather(*tasks)


@asynccontextmanager
async def world(*peers: Peer, **settings: Any) -> AsyncIterator[World]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        made = World(client, *(peer.address for peer in peers), **settings)
        try:
            yield made
        finally:
            await made.forwarder.close()
            await made.forwarder.close()


async def test_an_alert_is_sent_at_once_then_each_minute_and_its_end_for_fifteen() -> None:
    async with Peer().open() as peer, world(peer) as it:
        it.store.put(alert("Slow", notes={"summary": "s", APPROVE: "http://secret"}))
        it.store.put(alert("Posted", own=False))
        await it.pass_time()
        (body,) = peer.posted
        assert body == [
            {
                "labels": {"alertname": "Slow"},
                "annotations": {"summary": "s"},
                "startsAt": "2023-11-14T22:13:20.000000000Z",
                "endsAt": "2023-11-14T22:17:21.000000000Z",  # four minutes after it was sent, as a Prometheus does
                "generatorURL": "http://spanloom/a",
            }
        ]
        await it.pass_time(58 * SECOND)
        assert len(peer.posted) == 1
        await it.pass_time(2 * SECOND)
        assert len(peer.posted) == 2
        it.store.put(alert("Slow", ends=it.now))
        await it.pass_time()
        assert peer.posted[2][0]["endsAt"] == "2023-11-14T22:14:21.000000000Z"
        ended = it.now
        while it.now < ended + KEEP_RESOLVED + 5 * MINUTE:
            it.store.prune(it.now + MINUTE)
            await it.pass_time(MINUTE)
        assert len(peer.posted) == 2 + 15
        assert it.forwarder.counts[f"http://{peer.address}/api/v2/alerts"].sent == 17


async def test_what_was_not_heard_is_heard_when_the_alertmanager_is_back() -> None:
    async with Peer().open() as peer, world(peer) as it:
        peer.status = 503
        it.store.put(alert("A"))
        await it.pass_time()
        await it.pass_time()  # 1 s later
        await it.pass_time()  # not yet: after 2 s
        assert len(peer.posted) == 2
        it.store.put(alert("B"))
        it.store.put(alert("A", ends=it.now))
        peer.status = 200
        await it.pass_time(30 * SECOND)
        assert peer.names()[2] == ["A", "B"]
        assert peer.posted[2][0]["endsAt"] < peer.posted[2][1]["endsAt"]
        (counts,) = it.forwarder.counts.values()
        assert (counts.sent, counts.errors, counts.dropped, counts.waiting) == (2, 2, 0, 0)


async def test_what_ended_before_anyone_could_hear_of_it_counts_as_dropped_and_what_another_worker_has_does_not() -> None:
    async with Peer().open() as peer, world(peer) as it:
        peer.status = 500
        it.stores["eu"] = AlertStore()
        it.store.put(alert("A", ends=START))
        it.stores["eu"].put(alert("B"))
        await it.pass_time()
        it.store.prune(START + KEEP_RESOLVED)
        del it.stores["eu"]
        await it.pass_time(KEEP_RESOLVED)
        (counts,) = it.forwarder.counts.values()
        assert counts.dropped == 1


async def test_a_pause_that_it_asks_for_is_kept_and_what_it_refuses_is_tried_each_minute() -> None:
    async with Peer().open() as peer, world(peer) as it:
        peer.status, peer.retry_after = 429, "20"
        it.store.put(alert("A"))
        await it.pass_time()
        await it.pass_time(19 * SECOND)
        assert len(peer.posted) == 1
        peer.status, peer.retry_after = 400, ""
        await it.pass_time(SECOND)
        await it.pass_time(30 * SECOND)
        assert len(peer.posted) == 2
        await it.pass_time(30 * SECOND)
        assert len(peer.posted) == 3


async def test_another_process_sends_everything_again() -> None:
    async with Peer().open() as peer, world(peer) as first:
        first.store.put(alert("A"))
        first.store.put(alert("B", ends=START))
        await first.pass_time()
        async with world(peer) as second:
            second.stores = first.stores
            await second.pass_time()
        assert peer.names() == [["A", "B"], ["A", "B"]]


async def test_one_that_is_away_holds_up_no_other_and_many_alerts_are_many_requests() -> None:
    async with Peer().open() as peer, Peer().open() as away, world(away, peer) as it:
        away.status = 500
        for i in range(BATCH + 1):
            it.store.put(alert(f"A{i}"))
        await it.pass_time()
        assert [len(batch) for batch in peer.posted] == [BATCH, 1]
        assert len(away.posted) == 1


async def test_requests_are_authorized_as_configured() -> None:
    settings = {"path_prefix": "/am/", "basic_auth": {"username": "u", "password": "pass-1"}}
    settings |= {"http_headers": {"X-Scope-OrgID": {"values": ["team"]}}}
    async with Peer().open() as peer, world(peer, **settings) as it:
        it.store.put(alert("A"))
        await it.pass_time()
    assert peer.heads[0].startswith("POST /am/api/v2/alerts HTTP/1.1\r\n")
    assert "Authorization: Basic dTpwYXNzLTE=\r\n" in peer.heads[0]
    assert "X-Scope-OrgID: team\r\n" in peer.heads[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"static_configs": []},
        {"static_configs": [{"targets": ["http://x:1"]}]},
        {"static_configs": [{"targets": ["x:port"]}]},
        {"static_configs": [{"targets": ["x:1"]}], "scheme": "ftp"},
        {"static_configs": [{"targets": ["x:1"]}], "api_version": "v1"},
    ],
)
def test_wrong_ones_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertmanagersConfig.model_validate(wrong)


async def test_a_secret_that_no_header_can_have_ends_nothing() -> None:
    async with Peer().open() as peer, world(peer, authorization={"credentials": "s\u00e9cret"}) as it:
        it.store.put(alert("Slow"))
        await it.pass_time()
        await it.pass_time()
        (counts,) = it.forwarder.counts.values()
        assert (peer.posted, counts.errors) == ([], 1)
