"""E-mail by SMTP (RFC 5321), with STARTTLS unless told otherwise."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import ReceiverConfig
from alerting.notify.text import TEXT, TITLE
from alerting.notify.webhook import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

TIMEOUT = 20.0
"""Seconds for each step of the exchange."""


class EmailConfig(ReceiverConfig):
    """Recipients, comma-separated, and how to reach the server; what is empty comes from the global section."""

    to: str
    sender: str = Field("", alias="from")
    smarthost: str = ""
    hello: str = "localhost"
    auth_username: str = ""
    auth_password: SecretStr = SecretStr("")
    require_tls: bool | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    text: str = TEXT
    send_resolved: bool = False  # as in Alertmanager

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        subject = next((text for name, text in self.headers.items() if name.lower() == "subject"), TITLE)
        return {"to": self.to, "from": self.sender, "subject": subject, "text": self.text}


class Email:
    """Sends one message a notification, each over a connection of its own."""

    def __init__(
        self, config: EmailConfig, texts: Texts, context: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        self._config = config
        self._texts = texts
        self._context = context

    async def send(self, notification: Notification) -> None:
        """Hand the message to the server; a 4xx answer is tried again."""
        message = self.message(notification)
        try:
            await asyncio.to_thread(self._exchange, message)
        except smtplib.SMTPResponseException as error:
            reason = f"SMTP {error.smtp_code}: {error.smtp_error!r}"
            raise DeliveryError(reason, retry=400 <= error.smtp_code < 500) from error
        except smtplib.SMTPRecipientsRefused as error:
            retry = any(400 <= code < 500 for code, _ in error.recipients.values())
            raise DeliveryError(f"SMTP: recipients refused: {error.recipients}", retry=retry) from error
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryError(f"SMTP: {error}", retry=False) from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"SMTP: {type(error).__name__}: {error}", retry=True) from error

    def message(self, notification: Notification) -> EmailMessage:
        """The message of a notification; its Message-ID is the idempotency key."""
        text = {name: self._texts.render(name, notification) for name in self._config.texts()}
        message = EmailMessage()
        message["From"] = _one_line(text["from"])
        message["To"] = _one_line(text["to"])
        message["Subject"] = _one_line(text["subject"])
        message["Date"] = format_datetime(_moment(notification.time))
        message["Message-ID"] = f"<{notification.key}@spanloom>"
        message[IDEMPOTENCY_KEY] = notification.key
        for name, value in self._config.headers.items():
            if name.lower() != "subject":
                message[name] = _one_line(value)
        message.set_content(text["text"])
        return message

    def _exchange(self, message: EmailMessage) -> None:
        host, _, port = self._config.smarthost.rpartition(":")
        config = self._config
        with smtplib.SMTP(host, int(port), local_hostname=config.hello, timeout=TIMEOUT) as server:
            server.ehlo()
            if config.require_tls is not False:
                server.starttls(context=self._context())
                server.ehlo()
            if config.auth_username:
                server.login(config.auth_username, config.auth_password.get_secret_value())
            server.send_message(message)

    async def close(self) -> None:
        """Nothing is held open."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1e9, UTC)
