"""Mattermost's incoming webhooks.

https://developers.mattermost.com/integrate/webhooks/incoming/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, filled
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_TEXT = 16_383
"""Characters of a message that Mattermost accepts."""

URGENT, IMPORTANT, STANDARD = "urgent", "important", "standard"

_TEXTS = (
    "fallback", "color", "pretext", "text", "author_name", "author_link", "author_icon", "title", "title_link", "thumb_url",
    "footer", "footer_icon", "image_url",
)  # fmt: skip
_MESSAGE = ("channel", "username", "icon_url", "icon_emoji", "type")


class MattermostFieldConfig(BaseModel):
    """A field of an attachment; two that are short stand side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    value: Annotated[str, Field(min_length=1)]
    short: bool | None = None


class AttachmentConfig(BaseModel):
    """A block of a message; all texts are templates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fallback: str = ""
    color: str = ""
    pretext: str = ""
    text: str = ""
    author_name: str = ""
    author_link: str = ""
    author_icon: str = ""
    title: str = ""
    title_link: str = ""
    fields: tuple[MattermostFieldConfig, ...] = ()
    thumb_url: str = ""
    footer: str = ""
    footer_icon: str = ""
    image_url: str = ""


class PriorityConfig(BaseModel):
    """How urgent a message is: `urgent`, `important` or `standard`, a template."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: str = ""
    requested_ack: bool = False
    persistent_notifications: bool = False


class PropsConfig(BaseModel):
    """What stands beside a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: str = ""


class MattermostConfig(HttpReceiverConfig):
    """An incoming webhook; all texts are templates. Without a URL of its own the global one is meant."""

    webhook_url: SecretUrl = SecretStr("")
    webhook_url_file: LocalPath | None = None
    channel: str = ""
    username: str = default("mattermost", "username")
    text: str = default("mattermost", "text")
    fallback: str = default("mattermost", "fallback")
    color: str = default("mattermost", "color")
    pretext: str = ""
    author_name: str = ""
    author_link: str = ""
    author_icon: str = ""
    title: str = default("mattermost", "title")
    title_link: str = default("mattermost", "titlelink")
    fields: tuple[MattermostFieldConfig, ...] = ()
    thumb_url: str = ""
    footer: str = ""
    footer_icon: str = ""
    image_url: str = ""
    icon_url: str = ""
    icon_emoji: str = ""
    attachments: tuple[AttachmentConfig, ...] = ()
    type: str = ""
    props: PropsConfig | None = None
    priority: PriorityConfig | None = None

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        at_most_one(self, "webhook_url", "webhook_url_file")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in (*_MESSAGE, *_TEXTS)}
        texts |= {"priority": self.priority.priority if self.priority else "", "card": self.props.card if self.props else ""}
        for i, each in enumerate(self.blocks()):
            texts |= {f"attachments.{i}.{name}": str(getattr(each, name)) for name in _TEXTS}
            for j, field in enumerate(each.fields):
                texts |= {f"attachments.{i}.fields.{j}.{name}": getattr(field, name) for name in ("title", "value")}
        return texts

    def blocks(self) -> list[MattermostConfig | AttachmentConfig]:
        """What makes an attachment: this itself, then those that are listed."""
        return [self, *self.attachments]

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the webhook of the global section, where it has none of its own."""
        made = super().with_defaults(settings)
        if self.webhook_url.get_secret_value() or self.webhook_url_file is not None:
            return made
        found = {name: getattr(settings, f"mattermost_{name}") for name in ("webhook_url", "webhook_url_file")}
        return made.model_copy(update=found)

    def missing(self) -> str:
        """Where to post."""
        known = self.webhook_url.get_secret_value() or self.webhook_url_file is not None
        return "" if known else "no webhook_url here and no mattermost_webhook_url under global"


class Mattermost(HttpNotifier[MattermostConfig]):
    """Posts a text with its attachments for each notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        url = read_secret(self._config.webhook_url, self._config.webhook_url_file)
        await self._post(url, self.message(notification), notification)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification. Title, colour and the like make an attachment before those that are listed."""
        config = self._config
        attachments = [self._attachment(i, each, notification) for i, each in enumerate(config.blocks())]
        card = self._text("card", notification)
        return {
            "text": self._text("text", notification, MAX_TEXT),
            **filled({name: self._text(name, notification) for name in _MESSAGE}),
            "attachments": attachments,
            **filled({"props": filled({"card": card}), "priority": self._priority(notification)}),
        }

    def _attachment(self, i: int, config: MattermostConfig | AttachmentConfig, notification: Notification) -> dict[str, object]:
        texts = {name: self._text(f"attachments.{i}.{name}", notification) for name in _TEXTS}
        if i == 0:  # its text is the message's
            del texts["text"]
        fields = [
            {
                **{name: self._text(f"attachments.{i}.fields.{j}.{name}", notification) for name in ("title", "value")},
                **({} if field.short is None else {"short": field.short}),
            }
            for j, field in enumerate(config.fields)
        ]
        return filled({**texts, "fields": fields})

    def _priority(self, notification: Notification) -> dict[str, object]:
        """As Mattermost accepts it: only what is important can ask for an answer, and only what is urgent can insist."""
        config, level = self._config.priority, self._text("priority", notification).lower()
        if config is None or not level:
            return {}
        level = level if level in {URGENT, IMPORTANT} else STANDARD
        return filled(
            {
                "priority": level,
                "requested_ack": config.requested_ack and level != STANDARD,
                "persistent_notifications": config.persistent_notifications and level == URGENT,
            }
        )


MATTERMOST = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="mattermost",
    config=MattermostConfig,
    build=lambda config, context: Mattermost(config, context.client, context.texts),
    summary="Messages in a channel of Mattermost.",
    stability=Stability.BETA,
    example={"webhook_url": "https://mattermost.example.com/hooks/0000000000"},
)
