"""Alertmanager's webhook, version 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
from pydantic import Field, SecretStr

from alerting.notify.http import post
from alerting.notify.notification import template_data
from alerting.notify.receiver import ReceiverConfig

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.notification import Notification

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header by which a receiver knows a notification again that it may have had already."""


class WebhookConfig(ReceiverConfig):
    """Where to post. `max_alerts` of 0 sends all."""

    url: SecretStr
    max_alerts: Annotated[int, Field(ge=0)] = 0


class Webhook:
    """Posts each notification as JSON."""

    def __init__(self, config: WebhookConfig, client: httpx2.AsyncClient, external_url: str = "") -> None:
        self._config = config
        self._client = client
        self._external_url = external_url

    async def send(self, notification: Notification) -> None:
        """Post the payload; any 2xx is a success, 429 and 5xx are tried again."""
        payload = orjson.dumps(template_data(notification, self._external_url, self._config.max_alerts))
        await post(self._client, self._config.url.get_secret_value(), payload, {IDEMPOTENCY_KEY: notification.key})

    async def close(self) -> None:
        """The client is its giver's."""
