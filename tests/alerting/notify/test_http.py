"""How receivers are reached: authorization, proxy, TLS, and secrets in files of their own."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import httpx2
import pytest
import trustme
from structlog.testing import capture_logs

from alerting.alertmanager.config import parse_config
from alerting.notify.build import build_notifiers
from alerting.notify.http import SHOWN, Poster
from alerting.notify.http_config import HttpConfig
from alerting.notify.notification import DeliveryError
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.alerting.notify.service import Service
from tests.alerting.notify.test_receivers import FIRING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ANSWERS = {
    "/cookie": "204 No Content\r\nSet-Cookie: \u00ff=\u00fe; Path=/",
    "/": "204 No Content",
    "/moved": "302 Found\r\nLocation: /",
}


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


class Redirecting:
    """A server that answers the first request, or all, with a redirect to itself under another name; `seen` has them all."""

    def __init__(self, status: int, to: str = "127.0.0.1", *, for_ever: bool = False) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self._status, self._to, self._for_ever = status, to, for_ever

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def url(self, host: str) -> str:
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}/first"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
        content = (await reader.readexactly(length)).decode()
        self.seen.append((head.split()[0].upper(), head, content))
        status, where = (self._status, f"Location: {self.url(self._to)}\r\n")
        if len(self.seen) > 1 and not self._for_ever:
            status, where = 200, ""
        writer.write(f"HTTP/1.1 {status} x\r\n{where}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


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


async def test_a_redirect_is_followed_unless_it_is_not_to_be() -> None:
    async with receiver() as (port, heads):
        async with posting(follow_redirects=False) as poster:
            with pytest.raises(DeliveryError, match="HTTP 302"):
                await poster.post(f"http://127.0.0.1:{port}/moved", b"", {})
        async with posting() as poster:
            await poster.post(f"http://127.0.0.1:{port}/moved", b"", {})
        async with httpx2.AsyncClient(trust_env=False) as shared:
            await Poster(shared, None).post(f"http://127.0.0.1:{port}/moved", b"", {})
    assert len(heads) == 5


@pytest.mark.parametrize(("status", "method", "body"), [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""),
                                                        (307, "POST", "{}"), (308, "POST", "{}")])  # fmt: skip
async def test_as_in_go_some_redirects_lead_to_a_get_and_others_repeat(status: int, method: str, body: str) -> None:
    async with Redirecting(status) as place, posting(authorization={"credentials": "secret-1"}) as poster:
        await poster.post(place.url("127.0.0.1"), b"{}", {"X-Key": "secret-2"})
    _, (there, head, content) = place.seen
    assert (there, content) == (method, body)
    assert "authorization: bearer secret-1" in head
    assert "x-key: secret-2" in head


async def test_another_host_gets_no_credentials() -> None:
    async with Redirecting(307, to="localhost") as place:
        headers = {"X-Tenant": {"secrets": ["secret-3"]}}
        async with posting(authorization={"credentials": "secret-1"}, http_headers=headers) as poster:
            await poster.post(place.url("127.0.0.1"), b"{}", {"X-Key": "secret-2"})
    (_, first, _), (_, second, content) = place.seen
    assert "x-tenant: secret-3" in first
    assert "secret-" in first
    assert "secret-" not in second
    assert "content-type: application/json" in second
    assert content == "{}"


async def test_redirects_end_and_never_leave_https() -> None:
    async with Redirecting(302, for_ever=True) as place, posting() as poster:
        with pytest.raises(DeliveryError, match="more than 10 redirects"):
            await poster.post(place.url("127.0.0.1"), b"", {})
    assert len(place.seen) == 11
    answer = httpx2.MockTransport(lambda _: httpx2.Response(302, headers={"Location": "http://other.test/"}))
    async with httpx2.AsyncClient(transport=answer) as shared:
        with pytest.raises(DeliveryError, match=r"to other\.test leaves HTTPS"):
            await Poster(shared, None).post("https://a.test/", b"", {})


async def test_headers_are_added_from_values_secrets_and_files(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("three\n")
    headers = {"X-Scope": {"values": ["one"], "secrets": ["twotwo"], "files": [tmp_path / "h"]}}
    async with receiver() as (port, heads), posting(http_headers=headers, bearer_token="token-4") as poster:
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})
    assert "X-Scope: one, twotwo, three\r\n" in heads[0]
    assert "Authorization: Bearer token-4\r\n" in heads[0]
    with pytest.raises(ValueError, match="Authorization is not allowed"):
        HttpConfig.model_validate({"http_headers": {"Authorization": {"values": ["x"]}}})


async def test_some_hosts_are_reached_without_the_proxy_and_it_gets_headers_of_its_own() -> None:
    async with receiver() as (proxy, by_proxy), receiver() as (port, direct):
        settings: dict[str, Any] = {"proxy_url": f"http://127.0.0.1:{proxy}", "no_proxy": "127.0.0.1, .inside.test"}
        settings["proxy_connect_header"] = {"X-Who": {"secrets": ["proxy-secret-1"]}}
        async with posting(**settings) as poster:
            await poster.post(f"http://127.0.0.1:{port}/", b"", {})
            await poster.post("http://outside.test/hook", b"", {})
            with pytest.raises(DeliveryError):  # what stands for a proxy here speaks no TLS
                await poster.post("https://outside.test/hook", b"", {})
    assert len(direct) == 1
    assert by_proxy[0].startswith("POST http://outside.test/hook")
    assert by_proxy[1].startswith("CONNECT outside.test:443")
    assert "X-Who: proxy-secret-1\r\n" in by_proxy[1]


async def test_a_token_of_oauth2_is_asked_for_once_and_again_when_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret of 1\n")
    async with Service().open() as service, Service().open() as hook:
        service.answers["/token"] = [{"access_token": "first-1", "expires_in": 3600}, 401, {"access_token": "second-2"}]
        hook.answers["/"] = [{}, {}, 401, {}]
        oauth2 = {"client_id": "us", "client_secret_file": tmp_path / "secret", "token_url": f"{service.base}/token"}
        async with posting(oauth2={**oauth2, "scopes": ["a", "b"], "endpoint_params": {"audience": "x"}}) as poster:
            await poster.post(f"{hook.base}/", b"", {})
            await poster.post(f"{hook.base}/", b"", {})
            with pytest.raises(DeliveryError, match="HTTP 401"):
                await poster.post(f"{hook.base}/", b"", {})
            await poster.post(f"{hook.base}/", b"", {})
    tokens = [headers["authorization"] for _, _, headers, _ in hook.requests]
    assert tokens == ["Bearer first-1", "Bearer first-1", "Bearer first-1", "Bearer second-2"]
    first, _, in_the_form = service.requests
    assert first[2]["authorization"] == f"Basic {base64.b64encode(b'us:secret+of+1').decode()}"
    assert first[3] == {"grant_type": "client_credentials", "scope": "a b", "audience": "x"}
    assert in_the_form[3] == {**first[3], "client_id": "us", "client_secret": "secret of 1"}
    assert "authorization" not in in_the_form[2]


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
    with pytest.raises(ConfigError, match=r'am\.yml:5:\d+: title: template: template "yours" not defined'):
        parse_config(text.replace('"mine"', '"yours"'), str(tmp_path / "am.yml"), NOTIFIERS)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("http_config: {oauth2: {client_id: x}}", "oauth2.token_url: is missing"),
        ("http_config: {proxy_url: 'http://p', no_proxy: 10.0.0.0/99}", "no_proxy: '10.0.0.0/99' does not appear"),
        ("http_config: {no_proxy: x}", "need a proxy_url"),
        ("timeout: -1s", "timeout"),
    ],
)
def test_what_alertmanager_has_and_we_do_not_is_refused_by_name_and_line(field: str, reason: str) -> None:
    text = f"route: {{receiver: a}}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://x\n    {field}\n"
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_config(text, "am.yml", NOTIFIERS)
    assert str(caught.value).startswith("am.yml:6:")


def test_what_has_no_effect_here_is_no_reason_to_refuse_a_file() -> None:
    with capture_logs() as logs:
        parse_config("route: {receiver: a}\nreceivers: [{name: a}]\ntracing: {endpoint: 'x:4317'}\n", "am.yml", NOTIFIERS)
    assert [(line["event"], line["field"]) for line in logs] == [("receivers_field_ignored", "tracing")]


@pytest.mark.parametrize("no_proxy", ["127.0.0.0/8", "10.1.2.3/8, 127.0.0.1/32", "::1/128,127.0.0.0/8"])
async def test_a_network_in_no_proxy_is_reached_without_it_but_not_by_names(no_proxy: str) -> None:
    async with (
        receiver() as (proxy, by_proxy),
        receiver() as (port, direct),
        posting(proxy_url=f"http://127.0.0.1:{proxy}", no_proxy=no_proxy) as poster,
    ):
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})
        await poster.post(f"http://localhost:{port}/", b"", {})
        await poster.post("http://192.0.2.1/hook", b"", {})
    assert len(direct) == 1
    assert [head.split("\r\n")[0].split()[1] for head in by_proxy] == [f"http://localhost:{port}/", "http://192.0.2.1/hook"]


@pytest.mark.parametrize("config", [None, HttpConfig()])
async def test_a_receiver_sets_nothing_for_others_on_its_host(config: HttpConfig | None) -> None:
    async with receiver() as (port, heads), httpx2.AsyncClient(trust_env=False) as shared:
        poster = Poster(shared, config)
        await poster.post(f"http://127.0.0.1:{port}/cookie", b"", {})
        await poster.post(f"http://127.0.0.1:{port}/", b"", {})  # such a cookie cannot be sent at all
        await poster.close()
    assert ["cookie:" in head.lower() for head in heads] == [False, False]


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": {"credentials": "s\u00e9cret"}},
        {"authorization": {"type": "B\u00e9arer", "credentials": "s\u00e9cret"}},
        {"http_headers": {"X-Key": {"secrets": ["s\u00e9cret"]}}},
    ],
)
async def test_a_secret_that_no_header_can_have_is_an_error_that_does_not_show_it(fields: dict[str, Any]) -> None:
    async with receiver() as (port, heads), posting(**fields) as poster:
        with pytest.raises(DeliveryError, match="not ASCII") as caught:
            await poster.post(f"http://127.0.0.1:{port}/", b"", {})
    assert (heads, caught.value.retry, "cret" in repr(caught.value)) == ([], False, False)
