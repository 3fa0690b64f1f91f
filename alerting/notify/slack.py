"""Slack, and what accepts Slack's incoming webhooks.

https://api.slack.com/messaging/webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http import Poster
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from alerting.notify.text import truncate
from alerting.notify.webhook import IDEMPOTENCY_KEY
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

MAX_TITLE, MAX_TEXT, MAX_FOOTER = 1024, 3000, 300
"""Characters: Slack shows 300 of a footer, folds an attachment's text after 700 and cuts it at 8,000."""


class FieldConfig(BaseModel):
    """A field of the attachment; two that are short stand side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    value: str
    short: bool | None = None


class ConfirmConfig(BaseModel):
    """A question before a button does something."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(min_length=1)]
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


class ActionConfig(BaseModel):
    """A button: with a `url`, or with `name` and `value` for an application to answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    text: str
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: ConfirmConfig | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.type or not self.text or not (self.url or self.name):
            raise ValueError("an action needs type, text, and a url or a name")
        return self


class SlackConfig(HttpReceiverConfig):
    """An incoming webhook; all texts are templates. Without `api_url` and `api_url_file` the global one is meant."""

    api_url: SecretUrl = SecretStr("")
    api_url_file: LocalPath | None = None
    channel: str = ""
    username: str = default("slack", "username")
    color: str = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    title: str = default("slack", "title")
    title_link: str = default("slack", "titlelink")
    text: str = default("slack", "text")
    fallback: str = default("slack", "fallback")
    icon_emoji: str = default("slack", "iconemoji")
    icon_url: str = default("slack", "iconurl")
    link_names: bool = False
    pretext: str = default("slack", "pretext")
    footer: str = default("slack", "footer")
    callback_id: str = default("slack", "callbackid")
    image_url: str = ""
    thumb_url: str = ""
    mrkdwn_in: tuple[str, ...] = ("fallback", "pretext", "text")
    short_fields: bool = False
    fields: tuple[FieldConfig, ...] = ()
    actions: tuple[ActionConfig, ...] = ()
    send_resolved: bool = False  # as in Alertmanager

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        at_most_one(self, "api_url", "api_url_file")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in (*_MESSAGE, *_ATTACHMENT)}
        for i, field in enumerate(self.fields):
            texts |= {f"fields.{i}.title": field.title, f"fields.{i}.value": field.value}
        for i, action in enumerate(self.actions):
            texts |= {f"actions.{i}.{name}": getattr(action, name) for name in _ACTION}
            texts |= {f"actions.{i}.confirm.{name}": text for name, text in action.confirm or ()}
        return texts

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the webhook of the global section, where it has none of its own."""
        filled = super().with_defaults(settings)
        if self.api_url.get_secret_value() or self.api_url_file is not None:
            return filled
        return filled.model_copy(update={"api_url": settings.slack_api_url, "api_url_file": settings.slack_api_url_file})

    def missing(self) -> str:
        """Where to post."""
        known = self.api_url.get_secret_value() or self.api_url_file is not None
        return "" if known else "no api_url here and no slack_api_url under global"


_ACTION = ("type", "text", "url", "style", "name", "value")
_MESSAGE = ("channel", "username", "icon_emoji", "icon_url")
_ATTACHMENT = (
    "title", "title_link", "pretext", "text", "fallback", "callback_id", "image_url", "thumb_url", "footer", "color",
)  # fmt: skip
_LONGEST = {
    **dict.fromkeys(("title", "fallback"), MAX_TITLE),
    **dict.fromkeys(("text", "pretext"), MAX_TEXT),
    "footer": MAX_FOOTER,
}


class Slack:
    """Posts one attachment a notification."""

    def __init__(self, config: SlackConfig, client: httpx2.AsyncClient, texts: Texts) -> None:
        self._config = config
        self._poster = Poster(client, config.http_config)
        self._texts = texts

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        url = read_secret(self._config.api_url, self._config.api_url_file)
        await self._poster.post(url, orjson.dumps(self.message(notification)), {IDEMPOTENCY_KEY: notification.key})

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification, without empty fields."""
        config = self._config
        text = {name: self._texts.render(name, notification) for name in config.texts()}
        attachment: dict[str, object] = {
            name: truncate(text[name], _LONGEST[name]) if name in _LONGEST else text[name] for name in _ATTACHMENT
        }
        attachment["mrkdwn_in"] = config.mrkdwn_in
        attachment["fields"] = [
            {
                "title": truncate(text[f"fields.{i}.title"], MAX_TITLE),
                "value": truncate(text[f"fields.{i}.value"], MAX_TEXT),
                "short": config.short_fields if field.short is None else field.short,
            }
            for i, field in enumerate(config.fields)
        ]
        attachment["actions"] = [
            _filled(
                {name: text[f"actions.{i}.{name}"] for name in _ACTION}
                | {"confirm": _filled({name: text[f"actions.{i}.confirm.{name}"] for name, _ in action.confirm or ()})}
            )
            for i, action in enumerate(config.actions)
        ]
        message: dict[str, object] = {name: text[name] for name in _MESSAGE}
        message["link_names"] = config.link_names
        return _filled(message) | {"attachments": [_filled(attachment)]}

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


def _filled(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


SLACK = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="slack",
    config=SlackConfig,
    build=lambda config, context: Slack(config, context.client, context.texts),
    summary="Messages in Slack, or wherever its incoming webhooks are understood.",
    stability=Stability.STABLE,
    example={"api_url": "https://hooks.slack.com/services/T00000000/B00000000/XXXX"},
)
