"""PagerDuty, Events API v2.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import orjson
from pydantic import Field, SecretStr  # pydantic reads the annotations

from alerting.notify.http import post
from alerting.notify.receiver import ReceiverConfig
from alerting.notify.text import TITLE
from alerting.notify.webhook import IDEMPOTENCY_KEY
from telemetry.documents import timestamp

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
MAX_SUMMARY = 1024
"""Characters that PagerDuty takes of a summary."""


class PagerdutyConfig(ReceiverConfig):
    """A service's integration; `description`, `client` and the `details` are templates."""

    routing_key: SecretStr
    url: str = EVENTS_URL
    description: str = TITLE
    client: str = "Spanloom"
    client_url: str = ""
    severity: Literal["critical", "error", "warning", "info"] = "error"
    component: str = ""
    group: str = ""
    details: dict[str, str] = Field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        own = {"description": self.description, "client": self.client, "component": self.component, "group": self.group}
        return own | {f"details.{name}": text for name, text in self.details.items()}


class Pagerduty:
    """Triggers one incident a group and resolves it when no alert of the group fires."""

    def __init__(self, config: PagerdutyConfig, client: httpx2.AsyncClient, texts: Texts) -> None:
        self._config = config
        self._client = client
        self._texts = texts

    async def send(self, notification: Notification) -> None:
        """Post one event; PagerDuty answers 202, or 429 when it wants a pause."""
        headers = {IDEMPOTENCY_KEY: notification.key}
        await post(self._client, self._config.url, orjson.dumps(self.event(notification)), headers)

    def event(self, notification: Notification) -> dict[str, object]:
        """The event of a notification."""
        config, render = self._config, self._texts.render
        event: dict[str, object] = {
            "routing_key": config.routing_key.get_secret_value(),
            "dedup_key": hashlib.sha256(notification.group_key.encode()).hexdigest(),
            "event_action": "trigger" if notification.firing else "resolve",
        }
        if not notification.firing:
            return event
        first = notification.firing[0]
        severity = first.labels.get("severity", "")
        event["client"] = render("client", notification)
        event["client_url"] = config.client_url or self._texts.external_url
        event["links"] = [
            {"href": alert.generator_url, "text": alert.labels.get("alertname", "")}
            for alert in notification.firing[:10]
            if alert.generator_url
        ]
        event["payload"] = {
            "summary": render("description", notification)[:MAX_SUMMARY],
            "source": first.labels.get("instance") or first.labels.get("service") or "spanloom",
            "severity": severity if severity in {"critical", "error", "warning", "info"} else config.severity,
            "timestamp": timestamp(min(alert.starts_at for alert in notification.firing)),
            "component": render("component", notification),
            "group": render("group", notification),
            "class": first.labels.get("alertname", ""),
            "custom_details": {
                "num_firing": len(notification.firing),
                "num_resolved": len(notification.resolved),
                "firing": [dict(alert.labels) | dict(alert.annotations) for alert in notification.firing[:50]],
                **{name: render(f"details.{name}", notification) for name in config.details},
            },
        }
        return event

    async def close(self) -> None:
        """The client is its giver's."""
