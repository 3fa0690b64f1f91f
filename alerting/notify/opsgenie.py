"""Opsgenie, and what accepts its Alert API.

https://docs.opsgenie.com/docs/alert-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below, filled, listed
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_MESSAGE = 130
"""Characters of a message that Opsgenie accepts."""
_TYPES = re.compile("team|teams|user|escalation|schedule", re.IGNORECASE)


class ResponderConfig(BaseModel):
    """Who is to respond: by one of `id`, `name` and `username`; all are templates. Of type `teams`, a name is a list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    name: str = ""
    username: str = ""
    type: str = ""

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if not (self.id or self.name or self.username):
            raise ValueError("a responder needs at least one of id, username and name")
        if "{{" not in self.type and not _TYPES.fullmatch(self.type):
            raise ValueError(f'"{self.type}" is none of team, teams, user, escalation and schedule')
        return self


class OpsgenieConfig(HttpReceiverConfig):
    """An integration of Opsgenie; all texts are templates. What is empty of key and URL comes from the global section."""

    api_key: SecretStr = SecretStr("")
    api_key_file: LocalPath | None = None
    api_url: str = ""
    message: str = default("opsgenie", "message")
    description: str = default("opsgenie", "description")
    source: str = default("opsgenie", "source")
    details: dict[str, str] = Field(default_factory=dict)
    responders: tuple[ResponderConfig, ...] = ()
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False
    entity: str = ""
    actions: str = ""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        at_most_one(self, "api_key", "api_key_file")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in _TEXTS}
        texts |= {f"details.{name}": text for name, text in self.details.items()}
        for i, responder in enumerate(self.responders):
            texts |= {f"responders.{i}.{name}": text for name, text in responder}
        return texts

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with key and URL of the global section, where it has none of its own."""
        update: dict[str, object] = {"api_url": self.api_url or settings.opsgenie_api_url}
        if not self.api_key.get_secret_value() and self.api_key_file is None:
            update |= {"api_key": settings.opsgenie_api_key, "api_key_file": settings.opsgenie_api_key_file}
        return super().with_defaults(settings).model_copy(update=update)

    def missing(self) -> str:
        """The key."""
        known = self.api_key.get_secret_value() or self.api_key_file is not None
        return "" if known else "no api_key here and no opsgenie_api_key under global"


_TEXTS = ("message", "description", "source", "tags", "note", "priority", "entity", "actions")


class Opsgenie(HttpNotifier[OpsgenieConfig]):
    """Creates an alert for a group, under an alias by which it is closed when none of the group fires."""

    async def send(self, notification: Notification) -> None:
        """One request, or three where texts of an alert that is there are to be updated."""
        config = self._config
        authorization = f"GenieKey {read_secret(config.api_key, config.api_key_file)}"
        alerts = below(config.api_url, "v2/alerts")
        alert = f"{alerts}/{notification.group_hash}"
        if not notification.firing:
            body: dict[str, object] = {"source": self._text("source", notification)}
            await self._post(f"{alert}/close?identifierType=alias", body, notification, Authorization=authorization)
            return
        body = self.alert(notification)
        await self._post(alerts, body, notification, Authorization=authorization)
        if config.update_alerts:
            for field in ("message", "description"):
                await self._poster.request(
                    "PUT",
                    f"{alert}/{field}?identifierType=alias",
                    orjson.dumps(filled({field: body.get(field, "")})),
                    {"Authorization": authorization},
                )

    def alert(self, notification: Notification) -> dict[str, object]:
        """The alert of a group."""
        config = self._config
        text = {name: self._text(name, notification) for name in config.texts() if name != "message"}
        common = notification.common_labels
        return {
            "alias": notification.group_hash,
            "message": self._text("message", notification, MAX_MESSAGE),
            "details": common | {name: text[f"details.{name}"] for name in config.details},
            "source": text["source"],
        } | filled(
            {
                "responders": list(self._responders(text)),
                "tags": listed(text["tags"]),
                "actions": listed(text["actions"]),
                **{name: text[name] for name in ("description", "note", "priority", "entity")},
            }
        )

    def _responders(self, text: dict[str, str]) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for i in range(len(self._config.responders)):
            one = filled({name: text[f"responders.{i}.{name}"] for name in ("id", "name", "username", "type")})
            kind = str(one.get("type", ""))
            kind = kind.lower() if "{{" not in self._config.responders[i].type else kind
            if kind == "teams":
                found += [{"name": name, "type": "team"} for name in listed(str(one.get("name", "")))]
            elif one:
                found.append(one | {"type": kind})
        return found


OPSGENIE = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="opsgenie",
    config=OpsgenieConfig,
    build=lambda config, context: Opsgenie(config, context.client, context.texts),
    summary="Alerts of Opsgenie, closed when they resolve.",
    stability=Stability.BETA,
    example={"api_key": "00000000-0000-0000-0000-000000000000"},
)
