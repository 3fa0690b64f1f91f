"""Alertmanager's webhook, version 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.http import TIMEOUT, Poster
from alerting.notify.notification import template_data
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from alerting.rules.files import Duration
from components.component import ComponentKind, Stability
from components.durations import SECOND

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.notification import Notification

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header by which a receiver knows a notification again that it may have had already."""


class WebhookConfig(HttpReceiverConfig):
    """Where to post. `max_alerts` of 0 sends all; `timeout` of 0 is ours."""

    url: SecretUrl = SecretStr("")
    url_file: LocalPath | None = None
    max_alerts: Annotated[int, Field(ge=0)] = 0
    timeout: Duration = 0

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        at_most_one(self, "url", "url_file")
        if not self.url.get_secret_value() and self.url_file is None:
            raise ValueError("one of url and url_file is needed")
        return self


class Webhook:
    """Posts each notification as JSON."""

    def __init__(self, config: WebhookConfig, client: httpx2.AsyncClient, external_url: str = "") -> None:
        self._config = config
        self._poster = Poster(client, config.http_config, config.timeout / SECOND or TIMEOUT)
        self._external_url = external_url

    async def send(self, notification: Notification) -> None:
        """Post the payload; any 2xx is a success, 429 and 5xx are tried again."""
        payload = orjson.dumps(template_data(notification, self._external_url, self._config.max_alerts))
        url = read_secret(self._config.url, self._config.url_file)
        await self._poster.post(url, payload, {IDEMPOTENCY_KEY: notification.key})

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


WEBHOOK = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="webhook",
    config=WebhookConfig,
    build=lambda config, context: Webhook(config, context.client, context.texts.external_url),
    summary="JSON as Alertmanager's webhook, version 4, posts it.",
    stability=Stability.STABLE,
    example={"url": "https://hooks.example.com/spanloom"},
)
