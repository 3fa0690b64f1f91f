"""E-mail by SMTP (RFC 5321), with STARTTLS unless configured otherwise."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import socket
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import TEXT, TITLE
from alerting.notify.http_config import ClientTls
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import ReceiverConfig
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from alerting.notify.webhook import IDEMPOTENCY_KEY
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

TIMEOUT = 20.0
"""Seconds for each step of the exchange."""
LONGEST = 60.0
"""Seconds for all of it: a server that answers byte by byte, or line by line without end, keeps to those of each step."""
IMPLICIT_TLS = 465
"""The port on which TLS comes first (RFC 8314)."""


class ThreadingConfig(BaseModel):
    """Whether the mails of a group are a thread in mail programs, one for ever (`none`) or one each day (`daily`, UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    thread_by_date: Literal["", "none", "daily"] = ""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.enabled and not self.thread_by_date:
            raise ValueError("thread_by_date: none or daily is needed")
        return self


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
    auth_secret: SecretStr = SecretStr("")
    auth_secret_file: LocalPath | None = None
    auth_identity: str = ""
    require_tls: bool | None = None
    force_implicit_tls: bool | None = None
    tls_config: ClientTls | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    text: str = TEXT
    html: str = ""
    threading: ThreadingConfig = ThreadingConfig()
    send_resolved: bool = False  # as in Alertmanager

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "auth_password", "auth_password_file")
        at_most_one(self, "auth_secret", "auth_secret_file")
        names = [name.lower() for name in self.headers]
        if self.threading.enabled and {"references", "in-reply-to"} & set(names):
            raise ValueError("threading sets the headers References and In-Reply-To: leave them out of headers")
        if len(set(names)) < len(names):
            raise ValueError("headers: the same one twice, but for its capitals")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        headers = {f"headers.{name.lower()}": text for name, text in self.headers.items()}
        return {"headers.subject": TITLE, **headers, "to": self.to, "from": self.sender, "text": self.text, "html": self.html}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the mail server of the global section, as far as it names none of its own."""
        own_secret = self.auth_secret.get_secret_value() or self.auth_secret_file is not None
        implicit = self.force_implicit_tls
        own_password = self.auth_password.get_secret_value() or self.auth_password_file is not None
        defaults = {
            "sender": self.sender or settings.smtp_from,
            "smarthost": self.smarthost or settings.smtp_smarthost,
            "hello": self.hello if self.hello != "localhost" else settings.smtp_hello,
            "auth_username": self.auth_username or settings.smtp_auth_username,
            "auth_password": self.auth_password if own_password else settings.smtp_auth_password,
            "auth_password_file": self.auth_password_file if own_password else settings.smtp_auth_password_file,
            "auth_secret": self.auth_secret if own_secret else settings.smtp_auth_secret,
            "auth_secret_file": self.auth_secret_file if own_secret else settings.smtp_auth_secret_file,
            "force_implicit_tls": settings.smtp_force_implicit_tls if implicit is None else implicit,
            "auth_identity": self.auth_identity or settings.smtp_auth_identity,
            "tls_config": self.tls_config or settings.smtp_tls_config,
            "require_tls": settings.smtp_require_tls if self.require_tls is None else self.require_tls,
        }
        return self.model_copy(update=defaults)

    def missing(self) -> str:
        """Which server, and from whom."""
        known = self.smarthost.rpartition(":")[2].isdigit() and self.sender
        return "" if known else "needs smarthost (host:port) and from, here or under global"


class Email:
    """Sends one message a notification, each over a connection of its own.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, config: EmailConfig, texts: Texts) -> None:
        self._config = config
        self._texts = texts
        self._tls = config.tls_config or ClientTls()
        self._tls.context()

    async def send(self, notification: Notification) -> None:
        """Hand the message to the server; a 4xx answer is tried again."""
        message = self.message(notification)
        host, _, port = self._config.smarthost.rpartition(":")
        server = self._server(host, int(port))
        try:
            async with asyncio.timeout(LONGEST):
                await asyncio.to_thread(self._exchange, server, host, int(port), message)
        except TimeoutError as error:
            raise DeliveryError(f"SMTP: no end within {LONGEST:g} s, or of a step within {TIMEOUT:g} s", retry=True) from error
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
        finally:
            waiting = server.sock
            if waiting is not None:  # ends the thread that still waits for an answer
                with suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)

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
        if self._config.threading.enabled:
            message["References"] = message["In-Reply-To"] = self._thread(notification)
        for name in self._config.headers:
            if name.lower() != "subject":
                del message[name]
                message[name] = _one_line(text[f"headers.{name.lower()}"])
        message.set_content(text["text"])
        if text["html"]:
            message.add_alternative(text["html"], subtype="html")
        return message

    def _thread(self, notification: Notification) -> str:
        """The name of a mail that nobody sent, under which mail programs gather the group's: as Alertmanager writes it."""
        group = hashlib.sha256(notification.group_key.encode()).hexdigest()[:16]
        day = f"{_moment(notification.time):%Y-%m-%d}" if self._config.threading.thread_by_date == "daily" else ""
        return f"<alert-{group}-{day}@alertmanager>"

    def _is_implicit(self, port: int) -> bool:
        forced = self._config.force_implicit_tls
        return port == IMPLICIT_TLS if forced is None else forced

    def _server(self, host: str, port: int) -> smtplib.SMTP:
        """Not connected yet, so that its socket is in reach of who waits for it."""
        name = self._config.hello
        server: smtplib.SMTP = (
            smtplib.SMTP_SSL(local_hostname=name, timeout=TIMEOUT, context=self._tls.context())
            if self._is_implicit(port)
            else smtplib.SMTP(local_hostname=name, timeout=TIMEOUT)
        )
        server._host = host  # type: ignore[attr-defined]  # noqa: SLF001  the name that TLS checks comes from here alone
        return server

    def _exchange(self, server: smtplib.SMTP, host: str, port: int, message: EmailMessage) -> None:
        config = self._config
        try:
            server.connect(host, port)
            server.ehlo()
            if config.require_tls is not False and not self._is_implicit(port):
                server.starttls(context=self._tls.context())
                server.ehlo()
            if config.auth_username:
                self._login(server)
            server.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # it has the message: sending again would double it
                server.quit()
        finally:
            server.close()

    def _login(self, server: smtplib.SMTP) -> None:
        """As Alertmanager does: the secret is for CRAM-MD5, the identity for PLAIN; else whatever the password is good for."""
        config = self._config
        offered = server.esmtp_features.get("auth", "").upper().split()
        secret = read_secret(config.auth_secret, config.auth_secret_file)
        if secret and "CRAM-MD5" in offered:
            server.user, server.password = config.auth_username, secret  # where it looks for them
            server.auth("CRAM-MD5", server.auth_cram_md5)
            return
        password = read_secret(config.auth_password, config.auth_password_file)
        if config.auth_identity and "PLAIN" in offered:
            server.auth("PLAIN", lambda _=None: f"{config.auth_identity}\0{config.auth_username}\0{password}")
            return
        server.login(config.auth_username, password)

    async def close(self) -> None:
        """Nothing is held open."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1e9, UTC)


EMAIL = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="email",
    config=EmailConfig,
    build=lambda config, context: Email(config, context.texts),
    summary="E-mail by SMTP, with STARTTLS unless it is switched off.",
    stability=Stability.STABLE,
    example={"to": "team@example.com", "from": "spanloom@example.com", "smarthost": "mail.example.com:587"},
)
