"""Microsoft Teams by incoming webhooks of Office 365 connectors, which Microsoft retires: workflows are `msteamsv2`.

https://learn.microsoft.com/en-us/outlook/actionable-messages/message-card-reference
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

RED, GREEN = "8C1A1A", "2DC72D"


class MsteamsConfig(WebhookUrlConfig):
    """A webhook of a channel; title, summary and text are templates."""

    title: str = default("msteams", "title")
    summary: str = default("msteams", "summary")
    text: str = default("msteams", "text")

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"title": self.title, "summary": self.summary, "text": self.text}


class Msteams(HttpNotifier[MsteamsConfig]):
    """Posts one message card a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the card."""
        await self._post(self._config.secret_url(), self.card(notification), notification)

    def card(self, notification: Notification) -> dict[str, str]:
        """The card of a notification."""
        return {
            "@context": "http://schema.org/extensions",
            "@type": "MessageCard",
            "themeColor": RED if notification.firing else GREEN,
        } | {name: self._text(name, notification) for name in ("title", "summary", "text")}


MSTEAMS = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="msteams",
    config=MsteamsConfig,
    build=lambda config, context: Msteams(config, context.client, context.texts),
    summary="Messages in a channel of Microsoft Teams, by an Office 365 connector.",
    stability=Stability.BETA,
    example={"webhook_url": "https://example.webhook.office.com/webhookb2/XXXX"},
)
