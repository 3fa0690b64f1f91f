"""incident.io's alert sources.

https://api-docs.incident.io/tag/Alert-Events-V2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.http import TIMEOUT, Poster
from alerting.notify.notification import template_data
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from alerting.notify.webhook import IDEMPOTENCY_KEY
from alerting.rules.files import Duration
from components.component import ComponentKind, Stability
from components.durations import SECOND

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.notification import Notification

MAX_BYTES = 512 * 1024
"""Of a message; of a larger one only the first alert is sent."""


class IncidentioConfig(HttpReceiverConfig):
    """An alert source. Without a token, `http_config.authorization` says who we are."""

    url: SecretUrl = SecretStr("")
    url_file: LocalPath | None = None
    alert_source_token: SecretStr = SecretStr("")
    alert_source_token_file: LocalPath | None = None
    max_alerts: Annotated[int, Field(ge=0)] = 0
    timeout: Duration = 0

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name in ("url", "alert_source_token"):
            at_most_one(self, name, f"{name}_file")
        if not self.url.get_secret_value() and self.url_file is None:
            raise ValueError("one of url and url_file is needed")
        return self

    def missing(self) -> str:
        """Who we are, in exactly one way."""
        token = self.alert_source_token.get_secret_value() or self.alert_source_token_file is not None
        authorization = self.http_config is not None and self.http_config.authorization is not None
        if token and authorization:
            return "alert_source_token and http_config.authorization cannot both be configured"
        return "" if token or authorization else "no alert_source_token, and no http_config.authorization"


class Incidentio:
    """Posts each notification as JSON, as a webhook does."""

    def __init__(self, config: IncidentioConfig, client: httpx2.AsyncClient, external_url: str = "") -> None:
        self._config = config
        self._poster = Poster(client, config.http_config, config.timeout / SECOND or TIMEOUT)
        self._external_url = external_url

    async def send(self, notification: Notification) -> None:
        """Post the payload."""
        config = self._config
        headers = {IDEMPOTENCY_KEY: notification.key}
        if config.http_config is None or config.http_config.authorization is None:
            token = read_secret(config.alert_source_token, config.alert_source_token_file)
            headers["Authorization"] = f"Bearer {token}"
        payload = self._payload(notification, config.max_alerts)
        if len(payload) > MAX_BYTES:
            payload = self._payload(notification, 1)
        await self._poster.post(read_secret(config.url, config.url_file), payload, headers)

    def _payload(self, notification: Notification, limit: int) -> bytes:
        return orjson.dumps(template_data(notification, self._external_url, limit) | {"version": "1"})

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


INCIDENTIO = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="incidentio",
    config=IncidentioConfig,
    build=lambda config, context: Incidentio(config, context.client, context.texts.external_url),
    summary="Alerts of incident.io.",
    stability=Stability.BETA,
    example={
        "url": "https://api.incident.io/v2/alert_events/alertmanager/01HX",
        "alert_source_token": "a-token-of-the-alert-source",
    },
)
