"""What every notifier does alike, each against a server of its protocol on this machine."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from alerting.alertmanager.config import parse_config
from alerting.notify.build import build_notifiers
from alerting.notify.notification import DeliveryError
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.alerting.notify.test_email import MailServer
from tests.alerting.notify.test_receivers import FIRING, RESOLVED
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from alerting.notify.notification import Notifier


ANSWER = json.dumps({"success": True, "errcode": 0, "access_token": "a-token-for-two-hours", "issues": []}).encode()
"""What every service that is asked something takes for a success."""


@dataclass
class Place:
    """Where notifications arrive: over HTTP and by mail. `status` is what HTTP answers."""

    status: int = 200
    posted: list[bytes] = field(default_factory=list)
    mail: MailServer = field(default_factory=MailServer)

    @property
    def arrived(self) -> list[bytes]:
        return [*self.posted, *self.mail.messages]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[str, str]]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            length = next((int(line.split(b":")[1]) for line in lines), 0)
            self.posted.append(await reader.readexactly(length))
            head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (self.status, len(ANSWER)) + ANSWER)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, self.mail.running() as mail:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", mail


CASES: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "webhook": lambda http, _: {"url": f"http://{http}/hook"},
    "pagerduty": lambda http, _: {"routing_key": "a-key", "url": f"http://{http}/enqueue"},
    "slack": lambda http, _: {"api_url": f"http://{http}/slack"},
    "email": lambda _, mail: {"to": "ops@test", "from": "spanloom@test", "smarthost": mail, "require_tls": False},
    "apprise": lambda http, _: {"urls": [f"json://{http}/apprise"]},
    "opsgenie": lambda http, _: {"api_key": "a-key", "api_url": f"http://{http}/"},
    "victorops": lambda http, _: {"api_key": "a-key", "routing_key": "team", "api_url": f"http://{http}/alert/"},
    "pushover": lambda http, _: {"user_key": "a-user", "token": "a-token", "api_url": f"http://{http}/messages.json"},
    "sns": lambda http, _: {
        "api_url": f"http://{http}/",
        "topic_arn": "arn:aws:sns:eu-west-1:1:alerts",
        "sigv4": {"region": "eu-west-1", "access_key": "AKIDEXAMPLE", "secret_key": "a-secret-key"},
    },
    "telegram": lambda http, _: {"bot_token": "110201543:a-token", "chat_id": -100, "api_url": f"http://{http}"},
    "msteams": lambda http, _: {"webhook_url": f"http://{http}/teams"},
    "msteamsv2": lambda http, _: {"webhook_url": f"http://{http}/teams"},
    "discord": lambda http, _: {"webhook_url": f"http://{http}/discord"},
    "webex": lambda http, _: {
        "room_id": "a-room",
        "api_url": f"http://{http}/messages",
        "http_config": {"authorization": {"credentials": "a-bot-token"}},
    },
    "wechat": lambda http, _: {
        "api_secret": "a-secret",
        "corp_id": "corp",
        "to_user": "@all",
        "api_url": f"http://{http}/cgi-bin/",
    },
    "jira": lambda http, _: {"api_url": f"http://{http}/rest/api/2", "project": "OPS", "issue_type": "Bug"},
    "rocketchat": lambda http, _: {
        "api_url": f"http://{http}/",
        "token": "a-token",
        "token_id": "an-id",
        "channel": "#alerts",
    },
    "mattermost": lambda http, _: {"webhook_url": f"http://{http}/hooks/key"},
    "incidentio": lambda http, _: {"url": f"http://{http}/events", "alert_source_token": "a-token"},
}
"""Settings of each with which it reaches a server over HTTP, or one for mail, at HOST:PORT."""


@pytest.fixture(params=[one.name for one in NOTIFIERS])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@asynccontextmanager
async def made(name: str, settings: dict[str, Any]) -> AsyncIterator[Notifier]:
    """The notifier as a receivers file makes it."""
    file = {"route": {"receiver": "team"}, "receivers": [{"name": "team", f"{name}_configs": [settings]}]}
    config = parse_config(json.dumps(file), "receivers.yml", NOTIFIERS)
    async with httpx2.AsyncClient() as client:
        (notifier,) = build_notifiers(NOTIFIERS, config.receivers, client, "http://spanloom").values()
        try:
            yield notifier
        finally:
            await notifier.close()


def test_every_notifier_has_a_case() -> None:
    assert CASES.keys() == {one.name for one in NOTIFIERS}


async def test_what_fires_and_what_is_resolved_arrives(name: str) -> None:
    place = Place()
    async with place.open() as (http, mail), made(name, CASES[name](http, mail)) as notifier:
        await notifier.send(FIRING)
        first = len(place.arrived)
        assert first
        await notifier.send(RESOLVED)
        assert len(place.arrived) > first


async def test_a_place_that_is_not_there_is_tried_again_later(name: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with made(name, CASES[name](nowhere, nowhere)) as notifier:
        with pytest.raises(DeliveryError) as failed:
            await notifier.send(FIRING)
    assert failed.value.retry
    assert str(failed.value)


async def test_a_place_that_has_trouble_is_tried_again_later(name: str) -> None:
    place = Place(status=503, mail=MailServer(refusal="451 later"))
    async with place.open() as (http, mail), made(name, CASES[name](http, mail)) as notifier:
        with pytest.raises(DeliveryError) as failed:
            await notifier.send(FIRING)
        assert failed.value.retry


async def test_it_can_be_closed_before_it_sent_anything_and_twice(name: str) -> None:
    async with made(name, CASES[name]("127.0.0.1:1", "127.0.0.1:1")) as notifier:
        await notifier.close()
        await notifier.close()


async def test_a_setting_that_it_does_not_have_is_refused_with_its_line(name: str) -> None:
    settings = json.dumps({**CASES[name]("127.0.0.1:1", "127.0.0.1:1"), "no_such_setting": 1})
    text = f"route: {{receiver: team}}\nreceivers:\n- name: team\n  {name}_configs:\n  - {settings}\n"
    with pytest.raises(
        ConfigError, match=rf"receivers.yml:5:\d+: receivers\[0\].{name}_configs\[0\].no_such_setting: unknown field"
    ):
        parse_config(text, "receivers.yml", NOTIFIERS)


def test_its_example_is_complete(name: str) -> None:
    (component,) = (one for one in NOTIFIERS if one.name == name)
    file = {"route": {"receiver": "a"}, "receivers": [{"name": "a", f"{name}_configs": [dict(component.example)]}]}
    assert list(parse_config(json.dumps(file), "receivers.yml", NOTIFIERS).receivers) == [f"a/{name}[0]"]


def test_integrations_are_numbered_in_the_order_by_which_saved_state_knows_them() -> None:
    ways = {f"{one.name}_configs": [dict(one.example)] for one in NOTIFIERS}
    file = {"route": {"receiver": "a"}, "receivers": [{"name": "a", **dict(reversed(ways.items()))}]}
    numbered = list(parse_config(json.dumps(file), "receivers.yml", NOTIFIERS).receivers)
    assert numbered[:5] == ["a/webhook[0]", "a/pagerduty[1]", "a/slack[2]", "a/email[3]", "a/apprise[4]"]
    assert numbered[5:8] == ["a/opsgenie[5]", "a/victorops[6]", "a/pushover[7]"]
