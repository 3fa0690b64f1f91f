"""Telegram, by a bot.

https://core.telegram.org/bots/api#sendmessage
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from components.component import ComponentKind, Stability
from components.secrets import SECRETS

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification

MAX_MESSAGE = 4096
"""Characters of a message that Telegram accepts."""


class TelegramConfig(HttpReceiverConfig):
    """A bot and the chat that it writes to; the message is a template. What is empty of URL and token is the global one."""

    api_url: str = ""
    bot_token: SecretStr = SecretStr("")
    bot_token_file: LocalPath | None = None
    chat_id: int
    message_thread_id: int = 0
    message: str = default("telegram", "message")
    disable_notifications: bool = False
    parse_mode: Literal["", "Markdown", "MarkdownV2", "HTML"] = "HTML"

    @model_validator(mode="after")
    def _bot_and_chat(self) -> Self:
        at_most_one(self, "bot_token", "bot_token_file")
        if not self.chat_id:
            raise ValueError("chat_id must not be 0")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"message": self.message}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with what it leaves open of the global section."""
        update: dict[str, object] = {"api_url": self.api_url or settings.telegram_api_url}
        if not self.bot_token.get_secret_value() and self.bot_token_file is None:
            update |= {"bot_token": settings.telegram_bot_token, "bot_token_file": settings.telegram_bot_token_file}
        return super().with_defaults(settings).model_copy(update=update)

    def missing(self) -> str:
        """The bot's token."""
        known = self.bot_token.get_secret_value() or self.bot_token_file is not None
        return "" if known else "one of bot_token and bot_token_file is needed"


class Telegram(HttpNotifier[TelegramConfig]):
    """Sends one message a notification."""

    async def send(self, notification: Notification) -> None:
        """Post the message."""
        token = read_secret(self._config.bot_token, self._config.bot_token_file)
        SECRETS.add_of_file(f"bot{token}")
        await self._post(below(self._config.api_url, f"bot{token}/sendMessage"), self.message(notification), notification)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification. Links in it are not shown beside it."""
        config = self._config
        message: dict[str, object] = {
            "chat_id": config.chat_id,
            "text": self._text("message", notification, MAX_MESSAGE, as_html=config.parse_mode == "HTML"),
            "disable_web_page_preview": True,
        }
        if config.parse_mode:
            message["parse_mode"] = config.parse_mode
        if config.disable_notifications:
            message["disable_notification"] = True
        if config.message_thread_id:
            message["message_thread_id"] = config.message_thread_id
        return message


TELEGRAM = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="telegram",
    config=TelegramConfig,
    build=lambda config, context: Telegram(config, context.client, context.texts),
    summary="Messages of a Telegram bot.",
    stability=Stability.BETA,
    example={"bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "chat_id": -1001234567890},
)
