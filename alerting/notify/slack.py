"""Slack, and what accepts Slack's incoming webhooks; with the token of an app its method chat.postMessage.

https://api.slack.com/messaging/webhooks
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.defaults import POST_MESSAGE
from alerting.notify.http import Poster
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from alerting.notify.text import truncate
from alerting.notify.webhook import IDEMPOTENCY_KEY
from alerting.rules.files import Duration
from components.component import ComponentKind, Stability
from components.durations import SECOND

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

MAX_MESSAGES = 1000
"""Messages that are remembered to be changed or answered; of a group that is forgotten, or after a start, comes a new one."""
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
    """An incoming webhook, or the token of an app; all texts are templates. Without either the global one is meant."""

    api_url: SecretUrl = SecretStr("")
    api_url_file: LocalPath | None = None
    app_token: SecretStr = SecretStr("")
    app_token_file: LocalPath | None = None
    app_url: str = ""
    channel: str = ""
    username: str = default("slack", "username")
    color: str = default("slack", "color")
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
    message_text: str = ""
    update_message: bool = False
    post_updates_to_thread: bool = False
    timeout: Duration = 0
    send_resolved: bool = False  # as in Alertmanager

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        at_most_one(self, "api_url", "api_url_file", "app_token", "app_token_file")
        has_token = self.app_token.get_secret_value() or self.app_token_file is not None
        if has_token and self.http_config is not None and self.http_config.authorizes:
            raise ValueError("app_token and an authorization in http_config exclude each other")
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
        made = super().with_defaults(settings).model_copy(update={"app_url": self.app_url or settings.slack_app_url})
        if self._has("api_url") or self._has("app_token"):
            return made
        names = ("api_url", "api_url_file", "app_token", "app_token_file")
        return made.model_copy(update={name: getattr(settings, f"slack_{name}") for name in names})

    def missing(self) -> str:
        """Where to post, and what lets messages be changed."""
        if not self._has("api_url") and not self._has("app_token"):
            return "no api_url or app_token here and no slack_api_url or slack_app_token under global"
        changes = self.update_message or self.post_updates_to_thread
        if changes and not self._has("app_token") and self.api_url.get_secret_value() != POST_MESSAGE:
            return f"update_message and post_updates_to_thread need the token of an app, or the api_url {POST_MESSAGE}"
        return ""

    def _has(self, name: str) -> bool:
        return bool(getattr(self, name).get_secret_value()) or getattr(self, f"{name}_file") is not None


_ACTION = ("type", "text", "url", "style", "name", "value")
_MESSAGE = ("channel", "username", "icon_emoji", "icon_url", "message_text")
_ATTACHMENT = (
    "title", "title_link", "pretext", "text", "fallback", "callback_id", "image_url", "thumb_url", "footer", "color",
)  # fmt: skip
_LONGEST = {
    **dict.fromkeys(("title", "fallback"), MAX_TITLE),
    **dict.fromkeys(("text", "pretext"), MAX_TEXT),
    "footer": MAX_FOOTER,
}


@dataclass(frozen=True, slots=True)
class _Posted:
    """A message that can be changed: where it is, and its time, which is its name."""

    channel: str
    time: str


class Slack:
    """Posts one attachment a notification."""

    def __init__(self, config: SlackConfig, client: httpx2.AsyncClient, texts: Texts) -> None:
        self._config = config
        self._poster = Poster(client, config.http_config, *([config.timeout / SECOND] if config.timeout else []))
        self._texts = texts
        self._posted: OrderedDict[tuple[str, str], _Posted] = OrderedDict()

    async def send(self, notification: Notification) -> None:
        """Post the message, or change the one of the group. Slack's methods answer 200 to what they refuse, too."""
        config, headers = self._config, {IDEMPOTENCY_KEY: notification.key}
        url, message = read_secret(config.api_url, config.api_url_file), self.message(notification)
        if not url:
            url = config.app_url
            headers["Authorization"] = f"Bearer {read_secret(config.app_token, config.app_token_file)}"
        place = notification.group_key, str(message.get("channel", ""))
        before = self._posted.get(place)
        if before is not None and config.update_message:
            changed = {**message, "channel": before.channel, "ts": before.time}
            await self._post(url.replace("chat.postMessage", "chat.update"), changed, headers)
        if before is not None and config.post_updates_to_thread:
            message["thread_ts"] = before.time
        if before is None or config.post_updates_to_thread or not config.update_message:
            posted = await self._post(url, message, headers)
            if posted is not None and before is None and (config.update_message or config.post_updates_to_thread):
                self._posted[place] = posted
        if place in self._posted:
            self._posted.move_to_end(place)
            if not notification.firing:
                del self._posted[place]
        while len(self._posted) > MAX_MESSAGES:
            self._posted.popitem(last=False)

    async def _post(self, url: str, message: dict[str, object], headers: dict[str, str]) -> _Posted | None:
        answer = await self._poster.request("POST", url, orjson.dumps(message), headers, read=True)
        try:
            said = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return None  # of a webhook: "ok"
        if not isinstance(said, dict):
            return None
        if said.get("ok") is False:
            raise DeliveryError(f"Slack: {str(said.get('error'))[:200]}", retry=False)
        channel, time = said.get("channel"), said.get("ts")
        return _Posted(channel, time) if isinstance(channel, str) and isinstance(time, str) else None

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
        message: dict[str, object] = {name: text[name] for name in _MESSAGE if name != "message_text"}
        message["text"] = text["message_text"]
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
