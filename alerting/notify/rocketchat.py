"""Rocket.Chat's REST API.

https://developer.rocket.chat/apidocs/post-message
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import orjson
from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below, filled
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from alerting.notify.slack import FieldConfig
from alerting.notify.webhook import IDEMPOTENCY_KEY
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_TITLE = 1024


class ActionConfig(BaseModel):
    """A button that opens a URL or sends a message. Of the other fields that Alertmanager reads it sends none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = "button"
    text: str = ""
    url: str = ""
    msg: str = ""


class RocketchatConfig(HttpReceiverConfig):
    """A user by its token, and a channel; all texts are templates. What is empty comes from the global section."""

    api_url: str = ""
    channel: str = ""
    token: SecretStr = SecretStr("")
    token_file: LocalPath | None = None
    token_id: SecretStr = SecretStr("")
    token_id_file: LocalPath | None = None
    color: str = '{{ if eq .Status "firing" }}red{{ else }}green{{ end }}'
    emoji: str = default("rocketchat", "emoji")
    icon_url: str = default("rocketchat", "iconurl")
    text: str = default("rocketchat", "text")
    title: str = default("rocketchat", "title")
    title_link: str = default("rocketchat", "titlelink")
    image_url: str = ""
    thumb_url: str = ""
    link_names: bool = False
    short_fields: bool = False
    fields: tuple[FieldConfig, ...] = ()
    actions: tuple[ActionConfig, ...] = ()
    send_resolved: bool = False  # as in Alertmanager

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name in ("token", "token_id"):
            at_most_one(self, name, f"{name}_file")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in ("channel", "emoji", "icon_url", *_ATTACHMENT)}
        for i, field in enumerate(self.fields):
            texts |= {f"fields.{i}.title": field.title, f"fields.{i}.value": field.value}
        for i, action in enumerate(self.actions):
            texts |= {f"actions.{i}.{name}": getattr(action, name) for name in _ACTION}
        return texts

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with what it leaves open of the global section."""
        update: dict[str, object] = {"api_url": self.api_url or settings.rocketchat_api_url}
        for name in ("token", "token_id"):
            if not getattr(self, name).get_secret_value() and getattr(self, f"{name}_file") is None:
                update |= {each: getattr(settings, f"rocketchat_{each}") for each in (name, f"{name}_file")}
        return super().with_defaults(settings).model_copy(update=update)

    def missing(self) -> str:
        """The user."""
        for name in ("token", "token_id"):
            if not getattr(self, name).get_secret_value() and getattr(self, f"{name}_file") is None:
                return f"no {name} here and no rocketchat_{name} under global"
        return ""


_ATTACHMENT = ("title", "title_link", "text", "image_url", "thumb_url", "color")
_ACTION = ("text", "url", "msg")


class Rocketchat(HttpNotifier[RocketchatConfig]):
    """Posts one attachment a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message. Rocket.Chat answers 200 to what it refuses, too."""
        config = self._config
        headers = {
            IDEMPOTENCY_KEY: notification.key,
            "X-Auth-Token": read_secret(config.token, config.token_file),
            "X-User-Id": read_secret(config.token_id, config.token_id_file),
        }
        url, body = below(config.api_url, "api/v1/chat.postMessage"), orjson.dumps(self.message(notification))
        answer = await self._poster.request("POST", url, body, headers, read=True)
        try:
            answer = orjson.loads(answer)
        except orjson.JSONDecodeError:
            raise DeliveryError("Rocket.Chat answered something else than JSON", retry=True) from None
        if not isinstance(answer, dict) or not answer.get("success"):
            raise DeliveryError(f"Rocket.Chat: {str(answer)[:200]}", retry=False)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification, without empty fields."""
        config = self._config
        text = {name: self._text(name, notification) for name in config.texts() if name != "title"}
        text["title"] = self._text("title", notification, MAX_TITLE)
        attachment: dict[str, object] = {name: text[name] for name in _ATTACHMENT}
        attachment["fields"] = [
            filled({"title": text[f"fields.{i}.title"], "value": text[f"fields.{i}.value"]})
            | {"short": config.short_fields if field.short is None else field.short}
            for i, field in enumerate(config.fields)
        ]
        attachment["actions"] = [
            {"type": "button", **filled({name: text[f"actions.{i}.{name}"] for name in _ACTION}),
             "is_webview": False, "msg_in_chat_window": False}
            for i in range(len(config.actions))
        ]  # fmt: skip
        message = filled({"channel": text["channel"], "emoji": text["emoji"], "avatar": text["icon_url"]})
        return message | {"attachments": [filled(attachment)]}


ROCKETCHAT = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="rocketchat",
    config=RocketchatConfig,
    build=lambda config, context: Rocketchat(config, context.client, context.texts),
    summary="Messages in a channel of Rocket.Chat.",
    stability=Stability.BETA,
    example={"channel": "#alerts", "token": "a-personal-access-token", "token_id": "aobEdbYhXfu5hkeqG"},
)
