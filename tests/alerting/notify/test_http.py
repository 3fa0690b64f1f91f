"""How receivers are reached: authorization, proxy, TLS, and secrets in files of their own."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme

from alerting.alertmanager.config import parse_config
from alerting.notify.build import build_notifiers
from alerting.notify.http import SHOWN, Poster
from alerting.notify.http_config import HttpConfig
from alerting.notify.notification import DeliveryError
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.alerting.notify.test_receivers import FIRING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ANSWERS = {"/": "204 No Content", "/moved": "302 Found\r\nLocation: /"}


@asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that keeps the heads of its requests."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        path = head.split()[1]
        answer = ANSWERS.get(path if path.startswith("/") else "/", "204 No Content")
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def posting(**fields: Any) -> AsyncIterator[Poster]:
    async with httpx2.AsyncClient(trust_env=False) as shared:
        poster = Poster(shared, HttpConfig.model_validate(fields))
        yield poster
        await poster.close()
        await poster.close()


async def test_requests_are_authorized_and_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("first\n")
    async with receiver() as (port, heads), posting(authorization={"credentials_file": secret}) as poster:
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})
        secret.write_text("second")
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})
        await poster.close()
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})  # who was stopped may be started again
        secret.unlink()
        with pytest.raises(DeliveryError, match="token: cannot be read") as caught:
            await poster.post(f"http://127.0.0.1:{port}/", b"", {})
    assert caught.value.retry, "it may come back"
    for token, head in zip(("first", "second", "second"), heads, strict=True):
        assert f"Authorization: Bearer {token}\r\n" in head


async def test_basic_auth_is_that_of_the_standard() -> None:
    async with receiver() as (port, heads), posting(basic_auth={"username": "ü", "password": "p:w"}) as poster:
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})
    assert f"Authorization: Basic {base64.b64encode('ü:p:w'.encode()).decode()}" in heads[0]


async def test_a_proxy_gets_the_request() -> None:
    async with receiver() as (port, heads), posting(proxy_url=f"http://127.0.0.1:{port}") as poster:
        await poster.post("http://receiver.test/hook", b"", {})
    assert heads[0].startswith("POST http://receiver.test/hook")


async def test_a_redirect_is_a_failure_unless_it_is_to_be_followed() -> None:
    async with receiver() as (port, heads):
        async with posting() as poster:
            with pytest.raises(DeliveryError, match="HTTP 302"):
                await poster.post(f"http://127.0.0.1:{port}/moved", b"", {})
        async with posting(follow_redirects=True) as poster:
            await poster.post(f"http://127.0.0.1:{port}/moved", b"", {})
    assert len(heads) == 3


async def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    authority, client = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = client.issue_cert("spanloom.test")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("receiver.test").configure_cert(context)
    client.configure_trust(context)
    tls = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    async with receiver(context) as (port, heads):
        async with posting(tls_config={**tls, "server_name": "receiver.test", "min_version": "TLS13"}) as poster:
            await poster.post(f"https://127.0.0.1:{port}/", b"", {})
        async with posting(tls_config=tls) as poster:
            with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
                await poster.post(f"https://127.0.0.1:{port}/", b"", {})
    assert len(heads) == 1


@asynccontextmanager
async def answering(first: bytes, then: bytes, pause: float) -> AsyncIterator[str]:
    """A server that answers any request with the first bytes at once, and goes on with others, after each pause, for ever."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        with suppress(ConnectionError):
            while True:  # until the client goes away
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await ended.wait()
        server.close()
        await server.wait_closed()


HEAD = b"HTTP/1.1 %d x\r\nContent-Length: 999999999999\r\nRetry-After: 7\r\n\r\n"


@pytest.mark.parametrize("first", [b"HTTP/1.1 200", HEAD % 500], ids=["in its head", "in its text"])
async def test_an_answer_that_drips_is_none_and_one_without_end_is_cut(first: bytes) -> None:
    async with httpx2.AsyncClient(trust_env=False) as shared:
        async with answering(first, b"x", 0.02) as url:
            with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s") as caught:
                await Poster(shared, None, timeout=0.3).post(url, b"", {})
        assert caught.value.retry
        async with answering(HEAD % 503, b"x" * 65536, 0) as url:
            with pytest.raises(DeliveryError, match=f"HTTP 503: x{{{SHOWN}}}$") as caught:
                await Poster(shared, None).post(url, b"", {})
    assert caught.value.retry_after == 7


async def test_what_a_success_says_is_not_waited_for() -> None:
    async with httpx2.AsyncClient(trust_env=False) as shared, answering(HEAD % 200, b"x", 0.02) as url:
        await Poster(shared, None).post(url, b"", {})


def test_a_certificate_that_cannot_be_used_is_refused_with_the_file() -> None:
    config = HttpConfig.model_validate({"tls_config": {"ca_file": "/none.pem"}})
    with pytest.raises(ConfigError, match=r"/none\.pem"):
        Poster(httpx2.AsyncClient(), config)


async def test_the_global_client_is_every_receivers_and_paths_begin_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.tmpl").write_text('{{ define "mine" }}<b>{{ .Status }}</b>{{ end }}')
    async with receiver() as (port, heads), httpx2.AsyncClient(trust_env=False) as shared:
        (tmp_path / "url").write_text(f"http://127.0.0.1:{port}/\n")
        text = (
            "global: {http_config: {authorization: {credentials_file: token}}, slack_api_url_file: url}\n"
            "templates: [templates/*.tmpl]\nroute: {receiver: a}\nreceivers:\n"
            "- {name: a, webhook_configs: [{url_file: url}], slack_configs: [{title: '{{ template \"mine\" . }}'}]}\n"
        )
        config = parse_config(text, str(tmp_path / "am.yml"), NOTIFIERS)
        notifiers = build_notifiers(NOTIFIERS, config.receivers, shared, "", config.library)
        for notifier in notifiers.values():
            await notifier.send(FIRING)
            await notifier.close()
    assert ["Authorization: Bearer t" in head for head in heads] == [True, True]
    with pytest.raises(ConfigError, match=r'am\.yml:5: title: template: template "yours" not defined'):
        parse_config(text.replace('"mine"', '"yours"'), str(tmp_path / "am.yml"), NOTIFIERS)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("http_config: {oauth2: {client_id: x}}", "oauth2: is not supported; authorization"),
        ("http_config: {no_proxy: x}", "no_proxy: is not supported"),
        ("timeout: -1s", "timeout"),
    ],
)
def test_what_alertmanager_has_and_we_do_not_is_refused_by_name_and_line(field: str, reason: str) -> None:
    text = f"route: {{receiver: a}}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://x\n    {field}\n"
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_config(text, "am.yml", NOTIFIERS)
    assert str(caught.value).startswith("am.yml:6:")


def test_receivers_of_other_services_are_pointed_to_apprise() -> None:
    with pytest.raises(ConfigError, match=r"am\.yml:2: .*opsgenie_configs: is not supported: apprise_configs"):
        parse_config("route: {receiver: a}\nreceivers: [{name: a, opsgenie_configs: [{api_key: x}]}]\n", "am.yml", NOTIFIERS)
