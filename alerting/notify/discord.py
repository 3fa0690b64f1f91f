"""Discord's webhooks.

https://discord.com/developers/docs/resources/webhook#execute-webhook
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, filled
from alerting.notify.webhook_url import WebhookUrlConfig
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

MAX_TITLE, MAX_MESSAGE, MAX_CONTENT = 256, 4096, 2000
"""Characters that Discord accepts."""
RED, GREEN = 0x992D22, 0x2ECC71


class DiscordConfig(WebhookUrlConfig):
    """A webhook of a channel; title, message and content are templates."""

    title: str = default("discord", "title")
    message: str = default("discord", "message")
    content: str = default("discord", "content")
    username: str = ""
    avatar_url: str = ""

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"title": self.title, "message": self.message, "content": self.content}


class Discord(HttpNotifier[DiscordConfig]):
    """Posts one embed a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        await self._post(self._config.secret_url(), self.message(notification), notification)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification."""
        embed = {
            "title": self._text("title", notification, MAX_TITLE),
            "description": self._text("message", notification, MAX_MESSAGE),
            "color": RED if notification.firing else GREEN,
        }
        content = self._text("content", notification, MAX_CONTENT)
        who = filled({"username": self._config.username, "avatar_url": self._config.avatar_url})
        return {"content": content, "embeds": [embed], **who}


DISCORD = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="discord",
    config=DiscordConfig,
    build=lambda config, context: Discord(config, context.client, context.texts),
    summary="Messages in a channel of Discord.",
    stability=Stability.BETA,
    example={"webhook_url": "https://discord.com/api/webhooks/0000000000/XXXX"},
)
