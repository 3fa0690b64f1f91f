"""Microsoft Teams by a workflow of Power Automate: an adaptive card.

https://learn.microsoft.com/en-us/connectors/teams/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier
from alerting.notify.webhook_url import WebhookUrlConfig
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

RED, GREEN = "Attention", "Good"


class MsteamsV2Config(WebhookUrlConfig):
    """The URL of a workflow; title and text are templates."""

    title: str = default("msteamsv2", "title")
    text: str = default("msteamsv2", "text")

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"title": self.title, "text": self.text}


class MsteamsV2(HttpNotifier[MsteamsV2Config]):
    """Posts one adaptive card a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the card."""
        await self._post(self._config.secret_url(), self.message(notification), notification)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification."""
        title: dict[str, object] = {
            "type": "TextBlock",
            "text": self._text("title", notification),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "style": "heading",
            "color": RED if notification.firing else GREEN,
        }
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [title, {"type": "TextBlock", "text": self._text("text", notification), "wrap": True}],
            "msteams": {"width": "full"},
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": content}]}


MSTEAMSV2 = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="msteamsv2",
    config=MsteamsV2Config,
    build=lambda config, context: MsteamsV2(config, context.client, context.texts),
    summary="Messages in Microsoft Teams, by a workflow of Power Automate.",
    stability=Stability.BETA,
    example={"webhook_url": "https://example.logic.azure.com/workflows/XXXX"},
)
