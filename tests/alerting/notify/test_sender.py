"""Delivery: a receiver on a real socket that fails, asks to wait, and comes back."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import SecretStr

from alerting.alert_state import fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alerts import StoredAlert
from alerting.notify.http import retry_after
from alerting.notify.notification import DeliveryError, Integration, Notification
from alerting.notify.sender import PARALLEL, QUEUE, Delivery, Sender
from alerting.notify.webhook import Webhook, WebhookConfig
from components.durations import HOUR, MINUTE, SECOND
from spanloom.components import NOTIFIERS
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from telemetry.documents import Document

START = 1_700_000_000 * SECOND
HOOK = Integration("team", "webhook")


class Clock:
    """Time that passes only while someone pauses; those who pause together wait for the same time."""

    def __init__(self) -> None:
        self.time = START
        self.pauses: list[float] = []

    def now(self) -> int:
        return self.time

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        until = self.time + int(seconds * SECOND)
        await asyncio.sleep(0)
        self.time = max(self.time, until)


def alert(service: str, ends: int = 0) -> StoredAlert:
    labels = {"alertname": "Slow", "service": service}
    notes = {"summary": f"{service} is slow"}
    return StoredAlert(labels, notes, START, ends, START, "http://spanloom/graph", fingerprint(labels))


def notification(*firing: StoredAlert, resolved: tuple[StoredAlert, ...] = (), key: str = "g") -> Notification:
    return Notification(HOOK, key, {"alertname": "Slow"}, firing, resolved, START, 5 * MINUTE)


@asynccontextmanager
async def receiver(answer: Callable[[], bytes]) -> AsyncIterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """An HTTP server that keeps what it accepted; `answer` gives the status line and headers."""
    taken: list[tuple[dict[str, str], Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n")[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        reply = answer()
        if reply.startswith(b"200"):
            taken.append((headers, body))
        writer.write(b"HTTP/1.1 " + reply + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", taken
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def sending(url: str, clock: Clock) -> AsyncIterator[Sender]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        hook = Webhook(WebhookConfig(url=SecretStr(url)), client, "http://spanloom")
        sender = Sender({HOOK.id: hook}, clock.now, clock.pause)
        try:
            yield sender
        finally:
            await sender.stop()


async def test_the_payload_has_every_field_of_the_webhook_format() -> None:
    clock = Clock()
    async with receiver(lambda: b"200 OK") as (url, taken), sending(url, clock) as sender:
        sent = notification(alert("cart"), resolved=(alert("päy", START + MINUTE),))
        sender.submit(sent)
        await sender.wait()
        (delivery,) = sender.finished()
    ((headers, body),) = taken
    cart, pay = body.pop("alerts")
    assert body == {
        "version": "4",
        "groupKey": "g",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "team",
        "groupLabels": {"alertname": "Slow"},
        "commonLabels": {"alertname": "Slow"},
        "commonAnnotations": {},
        "externalURL": "http://spanloom",
    }
    assert cart == {
        "status": "firing",
        "labels": {"alertname": "Slow", "service": "cart"},
        "annotations": {"summary": "cart is slow"},
        "startsAt": "2023-11-14T22:13:20.000000000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://spanloom/graph",
        "fingerprint": fingerprint({"alertname": "Slow", "service": "cart"}),
    }
    assert (pay["status"], pay["labels"]["service"], pay["endsAt"]) == ("resolved", "päy", "2023-11-14T22:14:20.000000000Z")
    assert headers["idempotency-key"] == sent.key
    document = delivery.document()
    assert (document.kind, document.body["outcome"], document.body["attempts"]) == (Kind.NOTIFICATION, "delivered", 1)


async def test_a_receiver_that_is_down_for_a_minute_gets_each_notification_exactly_once() -> None:
    clock = Clock()
    up_at = START + MINUTE

    def answer() -> bytes:
        return b"200 OK" if clock.time >= up_at else b"503 Service Unavailable"

    async with receiver(answer) as (url, taken), sending(url, clock) as sender:
        sent = [notification(alert(f"s{i}"), key=f"g{i}") for i in range(5)]
        for item in sent:
            sender.submit(item)
        done: list[Delivery] = []
        while len(done) < len(sent):
            await sender.wait()
            done += sender.finished()
    assert Counter(headers["idempotency-key"] for headers, _ in taken) == Counter(item.key for item in sent)
    assert all(delivery.delivered for delivery in done)
    assert set(clock.pauses) == {1, 2, 4, 8, 16, 32}, "the wait doubles"
    assert sender.counts.delivered == 5


async def test_retry_after_is_honoured() -> None:
    clock = Clock()
    replies = iter((b"429 Too Many Requests\r\nRetry-After: 17", b"503 Unavailable\r\nRetry-After: 0", b"200 OK"))
    async with receiver(lambda: next(replies)) as (url, _taken), sending(url, clock) as sender:
        sender.submit(notification(alert("cart")))
        await sender.wait()
        (delivery,) = sender.finished()
    assert clock.pauses == [17, 2]
    assert delivery.attempts == 3


class Busy:
    """A receiver that asks for a minute's pause until it is `ready_at`."""

    def __init__(self, clock: Clock, ready_at: int) -> None:
        self.clock, self.ready_at = clock, ready_at
        self.posts: list[tuple[float, str]] = []

    async def send(self, sent: Notification) -> None:
        self.posts.append(((self.clock.time - START) / SECOND, sent.group_labels["g"]))
        if self.clock.time < self.ready_at:
            raise DeliveryError("HTTP 429", retry=True, retry_after=60)

    async def close(self) -> None:
        pass


CONFIG = """
route: {receiver: team, group_by: [g], group_wait: 0s, group_interval: 5s}
receivers: [{name: team, webhook_configs: [{url: "http://x"}]}]
"""


async def test_a_receiver_that_asks_for_a_pause_gets_it_from_every_group_and_over_a_restart() -> None:
    clock = Clock()
    busy = Busy(clock, START + MINUTE)
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
    for group in "ab":
        labels = {"g": group}
        manager.put(StoredAlert(labels, {}, START, 0, START, fingerprint=fingerprint(labels)), clock.time)
    sender = Sender({HOOK.id: busy}, clock.now, clock.pause)
    failed: list[Document] = []
    for turn in range(14):
        failed += [document for delivery in sender.finished() if (document := manager.settle(delivery)).body["error"]]
        if turn == 5:  # a restart: what was settled is known, the sender is another
            await sender.stop()
            saved = json.loads(json.dumps(manager.snapshot()))
            sender = Sender({HOOK.id: busy}, clock.now, clock.pause)
            manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
            manager.restore(saved)
        for item in manager.advance(clock.time).notifications:
            sender.submit(item)
        for _ in range(20):
            await asyncio.sleep(0)
        clock.time += 5 * SECOND
    await sender.stop()
    assert busy.posts == [(0, "a"), (60, "a"), (60, "b")]
    pause = "; the receiver asked for a pause until 2023-11-14T22:14:20.000000000Z"
    assert [document.body["error"] for document in failed] == [f"HTTP 429{pause}", f"not tried{pause}"]


async def test_what_waits_behind_a_pause_longer_than_it_is_worth_trying_fails_without_a_request() -> None:
    clock = Clock()
    busy = Busy(clock, START + HOUR)
    sender = Sender({HOOK.id: busy}, clock.now, clock.pause)
    groups = "abcdef"
    assert len(groups) > PARALLEL
    for group in groups:
        sender.submit(Notification(HOOK, group, {"g": group}, (alert("cart"),), (), START, 10 * SECOND))
    done: list[Delivery] = []
    while len(done) < len(groups):
        await sender.wait()
        done += sender.finished()
    assert [delivery.attempts for delivery in done] == [1, 0, 0, 0, 0, 0]
    assert {delivery.not_before for delivery in done} == {START + MINUTE}


class Picky:
    """Never takes one group, and hangs at another."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def send(self, sent: Notification) -> None:
        if sent.group_key.startswith("bad"):
            raise DeliveryError("HTTP 500", retry=True)
        if sent.group_key == "slow":
            await asyncio.Event().wait()
        self.taken.append(sent.group_key)

    async def close(self) -> None:
        pass


async def test_groups_that_fail_or_hang_hold_up_no_other() -> None:
    picky = Picky()
    sender = Sender({HOOK.id: picky}, Clock().now, lambda _: asyncio.Event().wait())
    for key in (*(f"bad{i}" for i in range(10)), "slow", "good"):
        sender.submit(notification(alert("cart"), key=key))
    await sender.wait()
    assert picky.taken == ["good"]
    await sender.stop()


async def test_what_the_receiver_calls_wrong_is_not_tried_again() -> None:
    clock = Clock()
    async with receiver(lambda: b"400 Bad Request") as (url, _), sending(url, clock) as sender:
        sender.submit(notification(alert("cart")))
        await sender.wait()
        (delivery,) = sender.finished()
    assert (delivery.delivered, delivery.attempts, clock.pauses) == (False, 1, [])
    assert delivery.error.startswith("HTTP 400")


async def test_a_delivery_gives_up_when_its_time_is_over() -> None:
    clock = Clock()
    async with sending("http://127.0.0.1:9/none", clock) as sender:
        sender.submit(notification(alert("cart")))
        await sender.wait()
        (delivery,) = sender.finished()
    assert not delivery.delivered
    assert clock.time <= START + 5 * MINUTE
    assert "ConnectError" in delivery.error


async def test_a_full_queue_refuses_and_counts() -> None:
    class Stuck:
        async def send(self, _notification: Notification) -> None:
            await asyncio.Event().wait()

        async def close(self) -> None:
            pass

    sender = Sender({HOOK.id: Stuck()}, Clock().now)
    for i in range(QUEUE + 3):
        sender.submit(notification(alert("cart"), key=f"g{i}"))
    refused = sender.finished()
    assert [delivery.error for delivery in refused] == ["queue full"] * 3
    assert sender.counts.refused == 3
    await sender.stop()


async def test_stop_is_safe_before_anything_was_sent_and_twice() -> None:
    sender = Sender({}, Clock().now)
    await sender.stop()
    await sender.stop()


class Broken:
    """A notifier with a mistake in it, the first time."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, _: Notification) -> None:
        self.sent += 1
        if self.sent == 1:
            raise ZeroDivisionError("a mistake")

    async def close(self) -> None:
        pass


async def test_a_mistake_in_a_notifier_fails_one_notification_and_not_those_after() -> None:
    clock = Clock()
    sender = Sender({HOOK.id: Broken()}, clock.now, clock.pause)
    done: list[Delivery] = []
    for service in ("cart", "pay"):
        sender.submit(notification(alert(service)))
        await sender.wait()
        done += sender.finished()
    await sender.stop()
    assert [(delivery.delivered, delivery.error) for delivery in done] == [
        (False, "ZeroDivisionError('a mistake')"),
        (True, ""),
    ]
    assert sender.counts.failed == 1


async def test_a_url_that_is_none_fails_at_once(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ftp://x/")
    async with httpx2.AsyncClient(trust_env=False) as client:
        hook = Webhook(WebhookConfig(url_file=tmp_path / "url"), client)
        with pytest.raises(DeliveryError) as caught:
            await hook.send(notification(alert("cart")))
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120),
        ("-1", "", 0),
        ("nan", "", 0),
        ("soon", "", 0),
        ("", "", 0),
        ("99999999", "", HOUR / SECOND),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:29 GMT", 30),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, date: str, seconds: float) -> None:
    assert retry_after(value, date) == seconds
