"""PagerDuty, Events API v2.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.defaults import EVENTS_URL
from alerting.notify.http import Poster
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from alerting.notify.text import truncate
from alerting.notify.webhook import IDEMPOTENCY_KEY
from components.component import ComponentKind, Stability
from telemetry.documents import timestamp

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts
    from telemetry.json_object import JsonObject

FIRST_EVENTS_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
"""Of the first Events API, which integrations with a `service_key` have."""
MAX_SUMMARY = 1024
"""Characters of a summary that PagerDuty accepts."""
MAX_EVENT = 512_000
"""Bytes of an event that it accepts; a larger one is refused."""
DETAILS = {
    "firing": '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
    "resolved": '{{ template "pagerduty.default.instances" .Alerts.Resolved }}',
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}
"""What the details are, unless the configuration says otherwise."""
SEVERITIES = frozenset({"critical", "error", "warning", "info"})


class LinkConfig(BaseModel):
    """A link beside the incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    href: str = ""
    text: str = ""


class ImageConfig(BaseModel):
    """An image beside the incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    src: str = ""
    alt: str = ""
    href: str = ""


class PagerdutyConfig(HttpReceiverConfig):
    """A service's integration; all texts are templates.

    `details` are added to those that there are by default, and replace one of the same name. What is empty comes from the
    first firing alert: `severity` from its label, `source` from `instance` or `service`,
    `class` from `alertname`.
    """

    routing_key: SecretStr = SecretStr("")
    routing_key_file: LocalPath | None = None
    service_key: SecretStr = SecretStr("")
    service_key_file: LocalPath | None = None
    url: str = EVENTS_URL
    description: str = default("pagerduty", "description")
    client: str = default("pagerduty", "client")
    client_url: str = default("pagerduty", "clientURL")
    severity: str = ""
    source: str = ""
    class_: Annotated[str, Field(alias="class")] = ""
    component: str = ""
    group: str = ""
    details: dict[str, str] = Field(default_factory=dict)
    links: tuple[LinkConfig, ...] = ()
    images: tuple[ImageConfig, ...] = ()

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        for name in ("routing_key", "service_key"):
            at_most_one(self, name, f"{name}_file")
        key = self.routing_key.get_secret_value() or self.routing_key_file is not None
        if not key and not self.by_service_key:
            raise ValueError("one of routing_key and routing_key_file is needed, or of service_key and service_key_file")
        return self

    @property
    def by_service_key(self) -> bool:
        """Whether it is an integration of the first Events API."""
        return bool(self.service_key.get_secret_value()) or self.service_key_file is not None

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        names = ("description", "client", "client_url", "severity", "source", "class_", "component", "group")
        texts = {name: str(getattr(self, name)) for name in names}
        texts |= {f"details.{name}": text for name, text in (DETAILS | self.details).items()}
        for kind, items in (("links", self.links), ("images", self.images)):
            texts |= {f"{kind}.{i}.{name}": text for i, item in enumerate(items) for name, text in item}
        return texts

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the address of the global section, where it has none of its own."""
        filled = super().with_defaults(settings)
        return filled if self.url != EVENTS_URL else filled.model_copy(update={"url": settings.pagerduty_url})


class Pagerduty:
    """Triggers one incident a group and resolves it when no alert of the group fires."""

    def __init__(
        self, config: PagerdutyConfig, client: httpx2.AsyncClient, texts: Texts, first_api: str = FIRST_EVENTS_URL
    ) -> None:
        self._config = config
        self._first_api = first_api
        self._poster = Poster(client, config.http_config)
        self._texts = texts

    async def send(self, notification: Notification) -> None:
        """Post one event; PagerDuty answers 202, or 429 when it wants a pause."""
        headers = {IDEMPOTENCY_KEY: notification.key}
        if self._config.by_service_key:
            key = {"service_key": read_secret(self._config.service_key, self._config.service_key_file)}
            await self._poster.post(self._first_api, orjson.dumps(key | self.first_event(notification)), headers)
            return
        key = {"routing_key": read_secret(self._config.routing_key, self._config.routing_key_file)}
        event = self.event(notification)
        body = orjson.dumps(key | event)
        if len(body) > MAX_EVENT:
            event["payload"]["custom_details"] = {"error": f"omitted: the event had more than {MAX_EVENT} bytes"}
            body = orjson.dumps(key | event)
        await self._poster.post(self._config.url, body, headers)

    def event(self, notification: Notification) -> JsonObject:
        """The event of a notification, but for the key."""
        config = self._config
        event: JsonObject = {
            "dedup_key": notification.group_hash,
            "event_action": "trigger" if notification.firing else "resolve",
        }
        if not notification.firing:
            return event
        first = notification.firing[0]
        text = {name: self._texts.render(name, notification) for name in config.texts()}
        severity = text["severity"] or first.labels.get("severity", "")
        event["client"] = text["client"]
        event["client_url"] = text["client_url"]
        if config.images:
            event["images"] = [
                {name: text[f"images.{i}.{name}"] for name in ("src", "alt", "href")} for i in range(len(config.images))
            ]
        event["links"] = [{name: text[f"links.{i}.{name}"] for name in ("href", "text")} for i in range(len(config.links))] + [
            {"href": alert.generator_url, "text": alert.labels.get("alertname", "")}
            for alert in notification.firing[:10]
            if alert.generator_url
        ]
        event["payload"] = {
            "summary": truncate(text["description"], MAX_SUMMARY)
            or first.labels.get("alertname")
            or "alert",  # empty is refused
            "source": text["source"] or first.labels.get("instance") or first.labels.get("service") or "spanloom",
            "severity": severity if severity in SEVERITIES else "error",
            "timestamp": timestamp(min(alert.starts_at for alert in notification.firing)),
            "component": text["component"],
            "group": text["group"],
            "class": text["class_"] or first.labels.get("alertname", ""),
            "custom_details": {name: text[f"details.{name}"] for name in DETAILS | config.details},
        }
        return event

    def first_event(self, notification: Notification) -> JsonObject:
        """The event of a notification as the first Events API has it, but for the key."""
        config = self._config
        text = {name: self._texts.render(name, notification) for name in config.texts()}
        event: JsonObject = {
            "event_type": "trigger" if notification.firing else "resolve",
            "incident_key": notification.group_hash,
            "description": truncate(text["description"], MAX_SUMMARY),
            "details": {name: text[f"details.{name}"] for name in DETAILS | config.details},
        }
        return event | ({"client": text["client"], "client_url": text["client_url"]} if notification.firing else {})

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


PAGERDUTY = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="pagerduty",
    config=PagerdutyConfig,
    build=lambda config, context: Pagerduty(config, context.client, context.texts),
    summary="Incidents of PagerDuty, by its Events API v2.",
    stability=Stability.STABLE,
    example={"routing_key": "a-key-of-32-characters-of-a-service"},
)
