"""Slack by the token of an app, Mattermost, and threads of mails: as a current Alertmanager writes them."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from alerting.alertmanager.config import parse_config
from alerting.notify.build import build_notifiers
from alerting.notify.email import Email
from alerting.notify.notification import DeliveryError
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.alerting.notify.service import Service
from tests.alerting.notify.test_receivers import FIRING, RESOLVED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from alerting.notify.notification import Notifier


@asynccontextmanager
async def notifier(text: str) -> AsyncIterator[Notifier]:
    """The one notifier of a file."""
    config = parse_config(text, "am.yml", NOTIFIERS)
    async with httpx2.AsyncClient(trust_env=False) as client:
        (made,) = build_notifiers(NOTIFIERS, config.receivers, client, "http://spanloom").values()
        try:
            yield made
        finally:
            await made.close()


def slack(settings: str, more: str = "") -> str:
    return f"global: {{{more}}}\nroute: {{receiver: a}}\nreceivers: [{{name: a, slack_configs: [{{{settings}}}]}}]\n"


async def test_slack_is_reached_by_the_token_of_an_app_and_may_refuse_with_a_200() -> None:
    async with Service().open() as service:
        service.answers["/api/chat.postMessage"] = [
            {"ok": True, "channel": "C1", "ts": "1.5"},
            {"ok": False, "error": "no_channel"},
        ]
        url = f"{service.base}/api/chat.postMessage"
        text = slack("channel: '#ops', message_text: 'hello'", f"slack_app_token: xoxb-1, slack_app_url: '{url}'")
        async with notifier(text) as made:
            await made.send(FIRING)
            with pytest.raises(DeliveryError, match="no_channel") as caught:
                await made.send(FIRING)
        assert not caught.value.retry
        (_, path, headers, body), _ = service.requests
        assert (path, headers["authorization"]) == ("/api/chat.postMessage", "Bearer xoxb-1")
        assert (body["channel"], body["text"], len(body["attachments"])) == ("#ops", "hello", 1)


@pytest.mark.parametrize("thread", [False, True])
async def test_a_message_in_slack_is_changed_and_answered_until_its_group_is_resolved(thread: bool) -> None:  # noqa: FBT001  # case
    async with Service().open() as service:
        posted = {"ok": True, "channel": "C1", "ts": "1.5"}
        service.answers |= {f"/api/chat.{method}": posted for method in ("postMessage", "update")}
        more = f"update_message: true, post_updates_to_thread: {str(thread).lower()}, send_resolved: true"
        text = slack(f"app_token: xoxb-1, app_url: '{service.base}/api/chat.postMessage', channel: '#ops', {more}")
        async with notifier(text) as made:
            for each in (FIRING, FIRING, RESOLVED, FIRING):
                await made.send(each)
    said = [(path.rpartition(".")[2], body.get("ts"), body.get("thread_ts")) for _, path, _, body in service.requests]
    once = [("update", "1.5", None), *([("postMessage", None, "1.5")] if thread else [])]
    assert said == [("postMessage", None, None), *once, *once, ("postMessage", None, None)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (slack("channel: a"), "no api_url or app_token here"),
        (slack("api_url: 'http://x', app_token: t"), "at most one of api_url"),
        (slack("api_url: 'http://x', update_message: true"), "need the token of an app"),
        (slack("app_token: t, http_config: {authorization: {credentials: x}}"), "exclude each other"),
    ],
)
def test_what_does_not_go_together_is_said(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_config(text, "am.yml", NOTIFIERS)


MATTERMOST = """
global: {{mattermost_webhook_url: '{url}/hooks/key'}}
route: {{receiver: a}}
receivers:
- name: a
  mattermost_configs:
  - channel: ops
    text: '{{{{ .CommonLabels.alertname }}}}'
    fields: [{{title: service, value: '{{{{ .Status }}}}', short: true}}]
    attachments: [{{title: more, text: '{{{{ .Status }}}}'}}]
    priority: {{priority: Urgent, requested_ack: true, persistent_notifications: true}}
    props: {{card: beside}}
"""


async def test_mattermost_gets_a_message_with_attachments_and_a_priority() -> None:
    async with Service().open() as service:
        service.answers["/hooks/key"] = b"ok"
        async with notifier(MATTERMOST.format(url=service.base)) as made:
            await made.send(FIRING)
    ((_, path, _, body),) = service.requests
    assert path == "/hooks/key"
    assert (body["text"], body["channel"], body["username"]) == ("Slow", "ops", "Spanloom")
    own, more = body["attachments"]
    assert own["color"] == "danger"
    assert own["title"].startswith("[FIRING:2]")
    assert [field["title"] for field in own["fields"]] == ["service"]
    assert more == {"title": "more", "text": "firing"}
    assert body["priority"] == {"priority": "urgent", "requested_ack": True, "persistent_notifications": True}
    assert body["props"] == {"card": "beside"}


MAIL = """
route: {receiver: a}
receivers:
- name: a
  email_configs:
  - to: a@b.test
    from: c@d.test
    smarthost: mail.test:25
    threading: {enabled: true, thread_by_date: %s}
    headers: {%s}
"""


@pytest.mark.parametrize("by", ["none", "daily"])
async def test_mails_of_a_group_are_one_thread(by: str) -> None:
    sent = FIRING
    async with notifier(MAIL % (by, "X-Team: ops")) as made:
        assert isinstance(made, Email)
        message = made.message(sent)
    group = hashlib.sha256(sent.group_key.encode()).hexdigest()[:16]
    day = "" if by == "none" else message["Date"].datetime.strftime("%Y-%m-%d")
    assert message["References"] == message["In-Reply-To"] == f"<alert-{group}-{day}@alertmanager>"


@pytest.mark.parametrize(("by", "headers"), [("weekly", ""), ("none", "references: x")])
def test_threads_that_cannot_be_are_refused(by: str, headers: str) -> None:
    with pytest.raises(ConfigError, match=r"threading|thread_by_date"):
        parse_config(MAIL % (by, headers), "am.yml", NOTIFIERS)
