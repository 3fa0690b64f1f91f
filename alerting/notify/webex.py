"""Webex's Messages API.

https://developer.webex.com/docs/api/v1/messages/create-a-message
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.text import truncate_bytes
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_MESSAGE = 7439
"""Bytes of a message that Webex accepts."""


class WebexConfig(HttpReceiverConfig):
    """A room, and a bot by `http_config.authorization`; room and message are templates. Without `api_url` the global one."""

    api_url: str = ""
    room_id: Annotated[str, Field(min_length=1)]
    message: str = default("webex", "message")

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"room_id": self.room_id, "message": self.message}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the URL of the global section, where it has none of its own."""
        return super().with_defaults(settings).model_copy(update={"api_url": self.api_url or settings.webex_api_url})

    def missing(self) -> str:
        """The bot."""
        known = self.http_config is not None and self.http_config.authorization is not None
        return "" if known else "no http_config.authorization: it names the bot"


class Webex(HttpNotifier[WebexConfig]):
    """Sends one message a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        await self._post(self._config.api_url, self.message(notification), notification)

    def message(self, notification: Notification) -> dict[str, str]:
        """The message of a notification."""
        return {
            "markdown": truncate_bytes(self._text("message", notification), MAX_MESSAGE),
            "roomId": self._text("room_id", notification),
        }


WEBEX = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="webex",
    config=WebexConfig,
    build=lambda config, context: Webex(config, context.client, context.texts),
    summary="Messages in a room of Webex.",
    stability=Stability.BETA,
    example={"room_id": "Y2lzY29zcGFyazovL3VzL1JPT00v", "http_config": {"authorization": {"credentials": "a-bot-token"}}},
)
