"""Mail, against a server of its protocol."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from alerting.notify import email
from alerting.notify.email import Email, EmailConfig
from alerting.notify.notification import DeliveryError
from alerting.notify.text import compile_texts
from tests.alerting.notify.test_receivers import FIRING, alert, notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class MailServer:
    """Enough of SMTP for one message: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA. `refusal` answers RCPT.

    `auth` are the mechanisms that it offers; `proofs` are what it was told.
    """

    def __init__(self, context: ssl.SSLContext | None = None, refusal: str = "", auth: str = "") -> None:
        self.auth, self.proofs = auth, list[str]()
        self.context = context
        self.refusal = refusal
        self.messages: list[bytes] = []
        self.encrypted = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say("220 test")
        while line := await reader.readline():
            verb = line.decode().split()[0].upper() if line.strip() else ""
            match verb:
                case "EHLO":
                    offered = ["test", *(["STARTTLS"] if self.context else []), *([f"AUTH {self.auth}"] if self.auth else [])]
                    await say("\r\n".join([*(f"250-{each}" for each in offered[:-1]), f"250 {offered[-1]}"]))
                case "AUTH":
                    _, mechanism, *said = line.decode().split()
                    if mechanism == "CRAM-MD5":
                        await say(f"334 {base64.b64encode(b'<challenge>').decode()}")
                        said = [(await reader.readline()).decode().strip()]
                    self.proofs.append(f"{mechanism} {base64.b64decode(said[0]).decode()}")
                    await say("235 welcome")
                case "STARTTLS" if self.context:
                    await say("220 go")
                    await writer.start_tls(self.context)
                    self.encrypted = True
                case "RCPT" if self.refusal:
                    await say(self.refusal)
                case "DATA":
                    await say("354 go")
                    self.messages.append((await reader.readuntil(b"\r\n.\r\n"))[:-5])
                    await say("250 taken")
                case "QUIT":
                    await say("421 rather not")  # after the message was taken this changes nothing
                    break
                case _:
                    await say("250 ok")
        writer.close()

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            await server.wait_closed()


def mail(smarthost: str, **fields: Any) -> EmailConfig:
    return EmailConfig.model_validate({"to": "ops@test", "from": "spanloom@test", "smarthost": smarthost, **fields})


async def test_mail_is_sent_over_tls_with_unicode_and_a_message_id_for_repetitions(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = MailServer(context)
    async with server.running() as smarthost:
        headers = {"Subject": "{{ .Status }}\n{{ .GroupLabels.alertname }}", "X-Team": "{{ .Receiver }}"}
        config = mail(smarthost, headers=headers, tls_config={"ca_file": tmp_path / "ca.pem"})
        await Email(config, compile_texts(config.texts(), "")).send(FIRING)
    assert server.encrypted
    message = message_from_bytes(server.messages[0], policy=policy.default)
    assert (message["Subject"], message["To"], message["X-Team"]) == ("firing Slow", "ops@test", "team")
    assert message["Message-ID"] == f"<{FIRING.key}@spanloom>"
    assert "päy is slow" in message.get_content()


async def test_on_the_port_for_it_tls_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = MailServer()
    async with server.running(tls=context) as smarthost:
        monkeypatch.setattr(email, "IMPLICIT_TLS", int(smarthost.partition(":")[2]))
        config = mail(smarthost, tls_config={"ca_file": tmp_path / "ca.pem"})
        await Email(config, compile_texts(config.texts(), "")).send(FIRING)
        stranger = mail(smarthost)
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            await Email(stranger, compile_texts(stranger.texts(), "")).send(FIRING)
    assert len(server.messages) == 1


def test_mail_has_html_beside_the_text_in_which_labels_are_no_markup() -> None:
    html = '<p>{{ range .Alerts }}<b>{{ .Labels.service }}</b>{{ "<hr>" | safeHtml }}{{ end }}</p>'
    config = mail("h:25", html=html)
    message = Email(config, compile_texts(config.texts(), "")).message(notification(alert("<i>&")))
    plain, rich = (part.get_content() for part in message.iter_parts())
    assert "FIRING Slow: <i>& is slow" in plain
    assert rich.strip() == "<p><b>&lt;i&gt;&amp;</b><hr></p>"


@pytest.mark.parametrize(("answer", "retry"), [("450 later", True), ("550 unknown", False)])
async def test_mail_that_is_refused_for_good_is_not_tried_again(answer: str, retry: bool) -> None:  # noqa: FBT001  # expectation
    async with MailServer(refusal=answer).running() as smarthost:
        config = mail(smarthost, require_tls=False)
        with pytest.raises(DeliveryError) as caught:
            await Email(config, compile_texts(config.texts(), "")).send(FIRING)
    assert caught.value.retry is retry


async def test_a_mail_server_that_never_comes_to_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "LONGEST", 0.3)
    left = asyncio.Event()

    async def tarpit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            writer.write(b"220-wait\r\n")
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.02)
        writer.close()
        left.set()

    server = await asyncio.start_server(tarpit, "127.0.0.1", 0)
    config = mail(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(DeliveryError, match=r"no end within 0\.3 s") as caught:
        await Email(config, compile_texts(config.texts(), "")).send(FIRING)
    assert caught.value.retry
    await left.wait()
    server.close()
    await server.wait_closed()


async def test_mail_is_not_sent_in_the_clear_unless_told_so() -> None:
    async with MailServer().running() as smarthost:
        config = mail(smarthost)
        with pytest.raises(DeliveryError, match="STARTTLS") as caught:
            await Email(config, compile_texts(config.texts(), "")).send(FIRING)
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("offered", "proof"),
    [
        ("CRAM-MD5 PLAIN", f"CRAM-MD5 ann {hmac.digest(b'secret-1', b'<challenge>', 'md5').hex()}"),
        ("PLAIN LOGIN", "PLAIN board\0ann\0password-1"),
    ],
)
async def test_the_secret_is_for_cram_md5_and_the_identity_for_plain(offered: str, proof: str) -> None:
    server = MailServer(auth=offered)
    async with server.running() as address:
        fields = {"auth_username": "ann", "auth_password": "password-1", "auth_secret": "secret-1", "auth_identity": "board"}
        config = mail(address, require_tls=False, **fields)
        await Email(config, compile_texts(config.texts(), "")).send(FIRING)
    assert server.proofs == [proof]
    assert len(server.messages) == 1
