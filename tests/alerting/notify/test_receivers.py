"""PagerDuty, Slack and Apprise, each against its documented format or a server of its own."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from pydantic import SecretStr

from alerting.alert_state import fingerprint
from alerting.alerts import StoredAlert
from alerting.notify.apprise import Apprise, AppriseConfig
from alerting.notify.build import build_notifiers
from alerting.notify.email import EmailConfig
from alerting.notify.notification import Integration, Notification
from alerting.notify.pagerduty import Pagerduty, PagerdutyConfig
from alerting.notify.slack import FieldConfig, Slack, SlackConfig
from alerting.notify.text import compile_texts
from alerting.notify.webhook import WebhookConfig
from components.durations import MINUTE, SECOND
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from alerting.notify.receiver import ReceiverConfig

START = 1_700_000_000 * SECOND


def alert(service: str, ends: int = 0, notes: dict[str, str] | None = None) -> StoredAlert:
    labels = {"alertname": "Slow", "service": service, "severity": "critical"}
    notes = notes or {"summary": f"{service} is slow"}
    return StoredAlert(labels, notes, START, ends, START, "http://x/graph", fingerprint(labels))


def notification(*firing: StoredAlert, resolved: tuple[StoredAlert, ...] = ()) -> Notification:
    return Notification(
        Integration("team", "x"), '{}:{alertname="Slow"}', {"alertname": "Slow"}, firing, resolved, START, 5 * MINUTE
    )


FIRING = notification(alert("cart"), alert("päy"), resolved=(alert("ads", START + MINUTE),))
RESOLVED = notification(resolved=(alert("cart", START + MINUTE),))


def posted() -> tuple[httpx2.AsyncClient, list[tuple[str, Any]]]:
    """A client whose requests are kept and answered with 202."""
    taken: list[tuple[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        taken.append((str(request.url), json.loads(request.content)))
        return httpx2.Response(202)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer)), taken


async def test_pagerduty_gets_one_incident_a_group_and_its_end() -> None:
    client, taken = posted()
    config = PagerdutyConfig(routing_key=SecretStr("key"), details={"first": "{{ .CommonLabels.alertname }}"})
    pager = Pagerduty(config, client, compile_texts(config.texts(), "http://spanloom"))
    await pager.send(FIRING)
    await pager.send(RESOLVED)
    await client.aclose()
    (url, trigger), (_, resolve) = taken
    dedup = hashlib.sha256(b'{}:{alertname="Slow"}').hexdigest()
    assert url == "https://events.pagerduty.com/v2/enqueue"
    assert (trigger["routing_key"], trigger["event_action"], trigger["dedup_key"]) == ("key", "trigger", dedup)
    assert resolve == {"routing_key": "key", "event_action": "resolve", "dedup_key": dedup}
    payload = trigger["payload"]
    assert (payload["summary"], payload["severity"], payload["class"]) == ("[FIRING:2] Slow (critical)", "critical", "Slow")
    assert payload["timestamp"] == "2023-11-14T22:13:20.000000000Z"
    assert payload["custom_details"]["first"] == "Slow"
    assert (payload["custom_details"]["num_firing"], payload["custom_details"]["num_resolved"]) == ("2", "1")


async def test_what_pagerduty_would_refuse_as_too_long_is_cut() -> None:
    client, taken = posted()
    long = {f"d{i}": "{{ .CommonAnnotations.summary }}" for i in range(10)}  # a text has 65,536 characters at most
    config = PagerdutyConfig(routing_key=SecretStr("key"), description="{{ .CommonAnnotations.summary }}", details=long)
    pager = Pagerduty(config, client, compile_texts(config.texts(), ""))
    for summary in ("ä" * 1025, "x" * 300_000, ""):  # the second with labels and annotations makes more than 512 kB
        await pager.send(notification(alert("cart", notes={"summary": summary, "description": summary})))
    await client.aclose()
    (_, cut), (_, huge), (_, empty) = taken
    assert cut["payload"]["summary"] == "ä" * 1023 + "…"
    assert cut["payload"]["custom_details"]["firing"].count("Labels:") == 1
    assert huge["payload"]["custom_details"] == {"error": "omitted: the event had more than 512000 bytes"}
    assert len(json.dumps(huge)) < 512_000
    assert empty["payload"]["summary"] == "Slow", "none at all would be refused"
    assert {len(event["dedup_key"]) for _, event in taken} == {64}, "of 255"


async def test_slack_gets_one_attachment() -> None:
    client, taken = posted()
    config = SlackConfig(
        api_url=SecretStr("http://slack.test/hook"), channel="#{{ .GroupLabels.alertname }}", send_resolved=True
    )
    slack = Slack(config, client, compile_texts(config.texts(), "http://spanloom"))
    await slack.send(FIRING)
    await client.aclose()
    ((url, message),) = taken
    (attachment,) = message["attachments"]
    assert (url, message["channel"], message["username"]) == ("http://slack.test/hook", "#Slow", "Spanloom")
    assert (attachment["title"], attachment["color"]) == ("[FIRING:2] Slow (critical)", "danger")
    assert "FIRING Slow: päy is slow" in attachment["text"]
    assert "RESOLVED Slow: ads is slow" in attachment["text"]


def test_long_texts_for_slack_end_with_an_ellipsis() -> None:
    long = "{{ .CommonAnnotations.summary }}"
    config = SlackConfig(title=long, text=long, footer=long, fields=(FieldConfig(title="t", value=long),))
    slack = Slack(config, httpx2.AsyncClient(), compile_texts(config.texts(), ""))
    message = orjson.loads(orjson.dumps(slack.message(notification(alert("cart", notes={"summary": "ä" * 9000})))))
    (attachment,) = message["attachments"]
    sizes = {name: len(attachment[name]) for name in ("title", "text", "footer")}
    assert sizes == {"title": 1024, "text": 3000, "footer": 300}
    assert len(attachment["fields"][0]["value"]) == 3000
    assert attachment["text"].endswith("ä…")


async def test_in_place_of_a_template_that_fails_a_default_text_is_sent_and_counted() -> None:
    client, taken = posted()
    fails = "{{ index .Alerts 99 }}"
    config = SlackConfig(api_url=SecretStr("http://slack.test/hook"), title=fails, channel=fails, text=fails)
    texts = compile_texts(config.texts(), "")
    await Slack(config, client, texts).send(FIRING)
    await client.aclose()
    ((_, message),) = taken
    (attachment,) = message["attachments"]
    assert attachment["title"] == "[FIRING:2] Slow (critical)"
    assert "FIRING Slow: cart is slow" in attachment["text"]
    assert "channel" not in message, "a wrong one would lose it"
    assert texts.counts.failed == 3


async def test_each_configured_way_becomes_a_notifier() -> None:
    client, _ = posted()
    configs: dict[str, ReceiverConfig] = {
        "a": WebhookConfig(url=SecretStr("http://x")),
        "b": PagerdutyConfig(routing_key=SecretStr("k")),
        "c": SlackConfig(api_url=SecretStr("http://x")),
        "d": EmailConfig.model_validate({"to": "ops@test"}),
    }
    built = build_notifiers(NOTIFIERS, configs, client, "")
    assert [type(notifier).__name__ for notifier in built.values()] == ["Webhook", "Pagerduty", "Slack", "Email"]
    await client.aclose()


HAS_APPRISE = importlib.util.find_spec("apprise") is not None


@pytest.mark.skipif(HAS_APPRISE, reason="apprise is installed")
def test_without_apprise_its_receivers_say_what_to_install() -> None:
    config = AppriseConfig(urls=[SecretStr("json://127.0.0.1")])
    with pytest.raises(ConfigError, match="install it"):
        Apprise(config, compile_texts(config.texts(), ""))


@pytest.mark.skipif(not HAS_APPRISE, reason="apprise is not installed")
async def test_apprise_reaches_a_receiver_of_its_own() -> None:
    taken: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        taken.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    config = AppriseConfig(urls=[SecretStr(f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}")])
    notifier = Apprise(config, compile_texts(config.texts(), ""))
    await notifier.send(FIRING)
    server.close()
    await server.wait_closed()
    assert taken[0]["title"] == "[FIRING:2] Slow (critical)"
    with pytest.raises(ConfigError, match="knows no receiver"):
        Apprise(AppriseConfig(urls=[SecretStr("nosuch://x")]), compile_texts({}, ""))
