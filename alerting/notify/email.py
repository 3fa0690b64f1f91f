"""E-mail by SMTP (RFC 5321), with STARTTLS unless told otherwise."""

from __future__ import annotations

import asyncio
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from alerting.notify.http_config import TlsConfig
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import ReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from alerting.notify.text import TEXT, TITLE
from alerting.notify.webhook import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    import ssl

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

TIMEOUT = 20.0
"""Seconds for each step of the exchange."""
IMPLICIT_TLS = 465
"""The port on which TLS comes first (RFC 8314)."""


class EmailConfig(ReceiverConfig):
    """Recipients, comma-separated, and how to reach the server; what is empty comes from the global section.

    Headers are templates; one named Subject is the subject.
    """

    to: str
    sender: str = Field("", alias="from")
    smarthost: str = ""
    hello: str = "localhost"
    auth_username: str = ""
    auth_password: SecretStr = SecretStr("")
    auth_password_file: LocalPath | None = None
    require_tls: bool | None = None
    tls_config: TlsConfig | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    text: str = TEXT
    html: str = ""
    send_resolved: bool = False  # as in Alertmanager

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "auth_password", "auth_password_file")
        names = [name.lower() for name in self.headers]
        if len(set(names)) < len(names):
            raise ValueError("headers: the same one twice, but for its capitals")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        headers = {f"headers.{name.lower()}": text for name, text in self.headers.items()}
        return {"headers.subject": TITLE, **headers, "to": self.to, "from": self.sender, "text": self.text, "html": self.html}


class Email:
    """Sends one message a notification, each over a connection of its own.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, config: EmailConfig, texts: Texts) -> None:
        self._config = config
        self._texts = texts
        self._tls = config.tls_config or TlsConfig()
        self._tls.context()

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
        message["Subject"] = _one_line(text["headers.subject"])
        message["Date"] = format_datetime(_moment(notification.time))
        message["Message-ID"] = f"<{notification.key}@spanloom>"
        message[IDEMPOTENCY_KEY] = notification.key
        for name in self._config.headers:
            if name.lower() != "subject":
                del message[name]
                message[name] = _one_line(text[f"headers.{name.lower()}"])
        message.set_content(text["text"])
        if text["html"]:
            message.add_alternative(text["html"], subtype="html")
        return message

    def _exchange(self, message: EmailMessage) -> None:
        host, _, port = self._config.smarthost.rpartition(":")
        config, context = self._config, self._tls.context()
        with self._connected(host, int(port), context) as server:
            server.ehlo()
            if config.require_tls is not False and int(port) != IMPLICIT_TLS:
                server.starttls(context=context)
                server.ehlo()
            if config.auth_username:
                server.login(config.auth_username, read_secret(config.auth_password, config.auth_password_file))
            server.send_message(message)

    def _connected(self, host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
        hello = self._config.hello
        if port == IMPLICIT_TLS:
            return smtplib.SMTP_SSL(host, port, local_hostname=hello, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(host, port, local_hostname=hello, timeout=TIMEOUT)

    async def close(self) -> None:
        """Nothing is held open."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1e9, UTC)
