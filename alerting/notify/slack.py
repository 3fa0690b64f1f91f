"""Slack, and what takes Slack's incoming webhooks.

https://api.slack.com/messaging/webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from pydantic import SecretStr

from alerting.notify.http import post
from alerting.notify.receiver import ReceiverConfig
from alerting.notify.text import TEXT, TITLE
from alerting.notify.webhook import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

MAX_TITLE, MAX_TEXT = 1024, 3000
"""Characters; Slack folds longer attachments."""


class SlackConfig(ReceiverConfig):
    """An incoming webhook; all texts are templates. An empty `api_url` means the global one."""

    api_url: SecretStr = SecretStr("")
    channel: str = ""
    username: str = "Spanloom"
    color: str = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    title: str = TITLE
    title_link: str = "{{ .ExternalURL }}"
    text: str = TEXT
    fallback: str = TITLE
    icon_emoji: str = ""
    icon_url: str = ""
    send_resolved: bool = False  # as in Alertmanager

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        names = ("channel", "username", "color", "title", "title_link", "text", "fallback", "icon_emoji", "icon_url")
        return {name: getattr(self, name) for name in names}


class Slack:
    """Posts one attachment a notification."""

    def __init__(self, config: SlackConfig, client: httpx2.AsyncClient, texts: Texts) -> None:
        self._config = config
        self._client = client
        self._texts = texts

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        url = self._config.api_url.get_secret_value()
        await post(self._client, url, orjson.dumps(self.message(notification)), {IDEMPOTENCY_KEY: notification.key})

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification, empty fields left out."""
        text = {name: self._texts.render(name, notification) for name in self._config.texts()}
        attachment = {
            "title": text["title"][:MAX_TITLE],
            "title_link": text["title_link"],
            "text": text["text"][:MAX_TEXT],
            "fallback": text["fallback"][:MAX_TITLE],
            "color": text["color"],
            "mrkdwn_in": ["fallback", "pretext", "text"],
        }
        message: dict[str, object] = {name: text[name] for name in ("channel", "username", "icon_emoji", "icon_url")}
        filled = {name: value for name, value in attachment.items() if value}
        return {name: value for name, value in message.items() if value} | {"attachments": [filled]}

    async def close(self) -> None:
        """The client is its giver's."""
