"""Pushover's Message API.

https://pushover.net/api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from pydantic import SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from alerting.notify.webhook import IDEMPOTENCY_KEY
from alerting.rules.files import Duration
from components.component import ComponentKind, Stability
from components.durations import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

API_URL = "https://api.pushover.net/1/messages.json"
MAX_TITLE, MAX_MESSAGE, MAX_URL = 250, 1024, 512
"""Characters that Pushover accepts."""


class PushoverConfig(HttpReceiverConfig):
    """A user or group, and the application that sends; texts are templates.

    A message of priority 2, which is what fires, is repeated every `retry` until it is acknowledged or `expire` is over.
    `api_url` is for a gateway on the way; Alertmanager does not have it.
    """

    user_key: SecretStr = SecretStr("")
    user_key_file: LocalPath | None = None
    token: SecretStr = SecretStr("")
    token_file: LocalPath | None = None
    title: str = default("pushover", "title")
    message: str = default("pushover", "message")
    url: str = default("pushover", "url")
    url_title: str = ""
    device: str = ""
    sound: str = ""
    priority: str = '{{ if eq .Status "firing" }}2{{ else }}0{{ end }}'
    retry: Duration = MINUTE
    expire: Duration = HOUR
    ttl: Duration = 0
    html: bool = False
    monospace: bool = False
    api_url: SecretUrl = SecretStr(API_URL)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name in ("user_key", "token"):
            at_most_one(self, name, f"{name}_file")
            if not getattr(self, name).get_secret_value() and getattr(self, f"{name}_file") is None:
                raise ValueError(f"one of {name} and {name}_file is needed")
        at_most_one(self, "html", "monospace")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {name: str(getattr(self, name)) for name in _TEXTS}


_TEXTS = ("title", "message", "url", "url_title", "device", "sound", "priority")


class Pushover(HttpNotifier[PushoverConfig]):
    """Sends one message a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message as a form, whose secrets so are in no URL."""
        headers = {IDEMPOTENCY_KEY: notification.key, "Content-Type": "application/x-www-form-urlencoded"}
        form = urlencode(self.message(notification)).encode()
        await self._poster.post(self._config.api_url.get_secret_value(), form, headers)

    def message(self, notification: Notification) -> dict[str, str]:
        """The parameters of a message. An empty text would be refused."""
        config = self._config
        text = self._text("message", notification, MAX_MESSAGE, as_html=config.html).strip()
        form = {
            "token": read_secret(config.token, config.token_file),
            "user": read_secret(config.user_key, config.user_key_file),
            "title": self._text("title", notification, MAX_TITLE),
            "message": text or "(no details)",
            "url": self._text("url", notification, MAX_URL),
            "retry": str(config.retry // SECOND),
            "expire": str(config.expire // SECOND),
        }
        form |= {name: self._text(name, notification) for name in ("url_title", "priority", "device", "sound")}
        if config.html or config.monospace:
            form["html" if config.html else "monospace"] = "1"
        if config.ttl >= SECOND:
            form["ttl"] = str(config.ttl // SECOND)
        return form


PUSHOVER = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="pushover",
    config=PushoverConfig,
    build=lambda config, context: Pushover(config, context.client, context.texts),
    summary="Messages of Pushover, on phones.",
    stability=Stability.BETA,
    example={"user_key": "uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "token": "azGDORePK8gMaC0QOYAMyEEuzJnyUi"},
)
