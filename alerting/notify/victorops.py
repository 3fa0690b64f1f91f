"""VictorOps, which is Splunk On-Call: its REST endpoint.

https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_MESSAGE = 20_480
"""Characters of a state message that VictorOps accepts."""
_RECOVERY, _CRITICAL = "RECOVERY", "CRITICAL"
_OPENING = frozenset({"INFO", "WARNING", _CRITICAL})
_FIXED = frozenset(
    {
        "routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool", "entity_id", "entity_state",
    }
)  # fmt: skip


class VictoropsConfig(HttpReceiverConfig):
    """An integration; all texts are templates. What is empty of key and URL comes from the global section."""

    api_key: SecretStr = SecretStr("")
    api_key_file: LocalPath | None = None
    api_url: str = ""
    routing_key: Annotated[str, Field(min_length=1)]
    message_type: str = _CRITICAL
    entity_display_name: str = default("victorops", "entity_display_name")
    state_message: str = default("victorops", "state_message")
    monitoring_tool: str = default("victorops", "monitoring_tool")
    custom_fields: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        at_most_one(self, "api_key", "api_key_file")
        for name in self.custom_fields:
            if name in _FIXED:
                raise ValueError(f"custom_fields: {name} is a field of its own")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in _TEXTS}
        return texts | {f"custom_fields.{name}": text for name, text in self.custom_fields.items()}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with key and URL of the global section, where it has none of its own."""
        update: dict[str, object] = {"api_url": self.api_url or settings.victorops_api_url}
        if not self.api_key.get_secret_value() and self.api_key_file is None:
            update |= {"api_key": settings.victorops_api_key, "api_key_file": settings.victorops_api_key_file}
        return super().with_defaults(settings).model_copy(update=update)

    def missing(self) -> str:
        """The key."""
        known = self.api_key.get_secret_value() or self.api_key_file is not None
        return "" if known else "no api_key here and no victorops_api_key under global"


_TEXTS = ("routing_key", "message_type", "entity_display_name", "state_message", "monitoring_tool")


class Victorops(HttpNotifier[VictoropsConfig]):
    """Opens an incident for a group, and recovers it when none of the group fires."""

    async def send(self, notification: Notification) -> None:
        """Post the event."""
        config = self._config
        key = read_secret(config.api_key, config.api_key_file)
        path = quote(f"{key}/{self._text('routing_key', notification)}", safe="/$&+,:;=@")
        await self._post(below(config.api_url, path), self.event(notification), notification)

    def event(self, notification: Notification) -> dict[str, str]:
        """The event of a notification."""
        kind = self._text("message_type", notification)
        if not notification.firing:
            kind = _RECOVERY
        elif kind not in _OPENING:
            kind = _CRITICAL
        return {
            "message_type": kind,
            "entity_id": notification.group_hash,
            "entity_display_name": self._text("entity_display_name", notification),
            "state_message": self._text("state_message", notification, MAX_MESSAGE),
            "monitoring_tool": self._text("monitoring_tool", notification),
        } | {name: self._text(f"custom_fields.{name}", notification) for name in self._config.custom_fields}


VICTOROPS = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="victorops",
    config=VictoropsConfig,
    build=lambda config, context: Victorops(config, context.client, context.texts),
    summary="Incidents of VictorOps (Splunk On-Call), recovered when they resolve.",
    stability=Stability.BETA,
    example={"api_key": "00000000-0000-0000-0000-000000000000", "routing_key": "on-call"},
)
