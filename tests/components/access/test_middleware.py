from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from components.access.config import AccessConfig
from components.access.policy import Asks
from components.access.roles import Role
from tests.components.access.guarded import HOST, World

if TYPE_CHECKING:
    from starlette.types import Message


@pytest.mark.parametrize(
    "host",
    [
        "rebind.evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "10.0.0.9:8080",
        "evil@127.0.0.1",
        "",
        "[::2]",
    ],
)
def test_a_host_that_is_none_of_ours_is_refused_whatever_the_address(host: str) -> None:
    world = World()
    for url in ("http://127.0.0.1:8080", "http://127.0.0.2:8080"):
        answer = world.client(url).get("/read", headers={"host": host} | world.bearer(Role.ADMIN))
        assert answer.status_code == 400, answer.text
    assert world.count("refused_requests", reason="host") == 2


async def test_a_query_of_raw_bytes_is_refused_before_anything_reads_it() -> None:
    world, statuses = World(read=Asks.NOBODY), []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"host", b"127.0.0.1:8080")]
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/read", "headers": headers, "client": ("127.0.0.1", 1)}
    for query in (b"a=1", b"a=%F4", b"\xf4"):
        await world.app({**scope, "query_string": query, "server": ("127.0.0.1", 8080)}, receive, send)
    assert statuses == [200, 200, 400]
    assert world.count("refused_requests", reason="query") == 1


@pytest.mark.parametrize(
    "host", ["localhost:80", "127.0.0.1", "LOCALHOST", "[::1]:8080", "spanloom.example.com", "127.0.0.2:9"]
)
def test_names_of_loopback_configured_ones_and_the_address_of_the_connection_are_answered(host: str) -> None:
    world = World(hosts=("spanloom.example.com",))
    answer = world.client("http://127.0.0.2:9").get("/read", headers={"host": host} | world.bearer(Role.VIEWER))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:3000",  # another server of this machine: the same site, so that cookies go along
        "http://127.0.0.1",
        "null",
        "http://127.0.0.1:8080.evil.example",
        "ftp://127.0.0.1:8080",
        "127.0.0.1:8080",
    ],
)
def test_a_page_of_another_origin_may_send_nothing_though_the_browser_has_the_cookie(origin: str) -> None:
    world = World()
    client = world.client()
    assert client.get("/login", params={"token": world.tokens[Role.ADMIN]}).status_code == 303
    assert client.post("/change", headers={"origin": HOST}).json()["name"] == "the admin"
    for headers in ({"origin": origin}, {"origin": origin, "sec-fetch-site": "same-origin"}):
        assert client.post("/change", headers=headers).status_code == 403
        assert client.get("/read", headers=headers).status_code == 403
        assert client.post("/change", headers=headers | world.bearer(Role.ADMIN)).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_link_here_and_nothing_else(site: str) -> None:
    client = World(read=Asks.NOBODY).client()
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/page", headers=link).status_code == 200
    assert client.get("/page", headers=link | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert (
        client.get("/login?token=x", headers=link | {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}).status_code == 403
    )
    assert client.post("/login", headers=link).status_code == 403


def test_a_configured_origin_may_send() -> None:
    world = World(origins=("https://ops.example.com",))
    headers = {"origin": "https://ops.example.com"} | world.bearer(Role.OPERATOR)
    assert world.client().post("/change", headers=headers).status_code == 200


def test_two_hosts_or_two_origins_are_refused() -> None:
    client = World(read=Asks.NOBODY).client()
    assert client.get("/read", headers=[("host", "localhost"), ("host", "evil.example")]).status_code == 400
    assert client.get("/read", headers=[("origin", HOST), ("origin", "http://evil.example")]).status_code == 403


def test_a_refusal_says_what_is_missing() -> None:
    world = World()
    client = world.client()
    nobody = client.post("/change")
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="spanloom"')
    viewer = client.post("/change", headers=world.bearer(Role.VIEWER))
    assert (viewer.status_code, viewer.json()) == (403, {"error": "the viewer (viewer) lacks the right to operate"})
    assert client.post("/rule", headers=world.bearer(Role.OPERATOR)).status_code == 403
    assert client.get("/read", headers=world.bearer(Role.INGEST)).status_code == 403
    assert client.get("/change").status_code == 405


def test_a_browser_without_a_login_is_led_to_it_and_back() -> None:
    world = World()
    client = world.client()
    html = {"accept": "text/html"}
    asked = client.get("/page?a=b&c=d", headers=html)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Fpage%3Fa%3Db%26c%3Dd")
    form = client.get(asked.headers["location"])
    assert 'value="/page?a=b&amp;c=d"' in form.text
    posted = client.post("/login", data={"token": world.tokens[Role.VIEWER], "next": "/page?a=b&c=d"})
    assert (posted.status_code, posted.headers["location"]) == (303, "/page?a=b&c=d")
    assert client.get("/page?a=b&c=d", headers=html).json()["name"] == "the viewer"


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/a\r\nb", ""])
def test_a_login_leads_nowhere_else(path: str) -> None:
    world = World()
    answer = world.client().get("/login", params={"token": world.tokens[Role.VIEWER], "next": path})
    assert answer.headers["location"] == "/"


def test_the_cookie_of_a_login_is_for_this_console_alone_and_the_token_is_in_no_address() -> None:
    world = World()
    answer = world.client().get("/login", params={"token": world.tokens[Role.OPERATOR]})
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("spanloom_session_8080=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=3600"))
    assert "Secure" not in cookie
    assert (
        "Secure"
        in world.client("https://127.0.0.1:8080")
        .get("/login", params={"token": world.tokens[Role.OPERATOR]})
        .headers["set-cookie"]
    )
    assert world.tokens[Role.OPERATOR] not in str(answer.headers)
    assert answer.headers["cache-control"] == "no-store"


def test_a_login_ends_by_logging_out_or_after_its_time() -> None:
    world = World()
    client = world.client()
    for end in ("logout", "time"):
        client.get("/login", params={"token": world.tokens[Role.OPERATOR]})
        assert client.post("/change", headers={"origin": HOST}).status_code == 200
        kept = client.cookies["spanloom_session_8080"]
        if end == "logout":
            client.post("/logout", headers={"origin": HOST})
        else:
            world.now += 3600 * 1_000_000_000
        client.cookies["spanloom_session_8080"] = kept
        assert client.post("/change", headers={"origin": HOST}).status_code == 401
        client.cookies.clear()


def test_who_may_only_send_telemetry_does_not_log_in() -> None:
    world = World()
    answer = world.client().get("/login", params={"token": world.tokens[Role.INGEST]})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_wrong_tokens_are_bounded_by_address_and_counted() -> None:
    world = World()
    one, other = world.client(peer="10.0.0.1"), world.client(peer="10.0.0.2")
    wrong = {"authorization": "Bearer spanloom_" + "x" * 43}
    statuses = [one.get("/read", headers=wrong).status_code for _ in range(8)]
    statuses += [one.get("/login", params={"token": "wrong"}).status_code, one.post("/login", data={"token": "x"}).status_code]
    assert statuses == [401] * 10
    for refused in (one.get("/read", headers=wrong), one.get("/login", params={"token": "x"})):
        assert (refused.status_code, refused.headers["retry-after"]) in {(429, "6"), (429, "7")}
    assert one.get("/read", headers=world.bearer(Role.ADMIN)).status_code == 200, "who guesses locks nobody out"
    assert other.get("/read", headers=wrong).status_code == 401
    assert world.count("failed_logins") == 13
    assert world.count("refused_requests", reason="too_many_failures") == 1
    world.now += 7 * 1_000_000_000
    assert one.get("/read", headers=wrong).status_code == 401


def test_answers_carry_the_headers_that_bind_a_browser() -> None:
    world = World(read=Asks.NOBODY)
    page, plain = world.client().get("/page"), world.client().get("/read")
    for answer in (page, plain, world.client().get("/nothing"), world.client().get("/read", headers={"host": "evil"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in plain.headers["content-security-policy"]
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy, "no script and no style within a page, no eval"


PROXY = AccessConfig.model_validate(
    {
        "proxy": {
            "addresses": ["10.1.0.0/24", "fd00::1"],
            "user_header": "X-User",
            "groups_header": "X-Groups",
            "roles": {"sre": "operator", "lead": "admin"},
            "default_role": "viewer",
        }
    }
)


@pytest.mark.parametrize("peer", ["10.1.0.7", "::ffff:10.1.0.7", "fd00::1"])
def test_a_name_is_believed_of_a_configured_proxy(peer: str) -> None:
    client = World(PROXY).client(peer=peer)
    assert client.post("/change", headers={"x-user": "ann", "x-groups": "a, sre"}).json() == {
        "name": "ann",
        "role": "operator",
        "source": "proxy",
    }
    assert client.post("/rule", headers={"x-user": "bo", "x-groups": "sre,lead"}).json()["role"] == "admin"
    assert client.get("/read", headers={"x-user": "eve"}).json()["role"] == "viewer"
    assert client.post("/change", headers={"x-user": "eve", "x-groups": "admin"}).status_code == 403
    assert client.get("/read").status_code == 401
    assert client.get("/read", headers=[("x-user", "ann"), ("x-user", "bo")]).status_code == 401


@pytest.mark.parametrize("peer", ["10.1.1.7", "127.0.0.1", "::1", "", "unix"])
def test_a_name_is_believed_of_nobody_else(peer: str) -> None:
    world = World(PROXY)
    claims = {"x-user": "ann", "x-groups": "lead", "x-forwarded-for": "10.1.0.7", "forwarded": "for=10.1.0.7"}
    client = world.client(peer=peer)
    assert client.get("/read", headers=claims).status_code == 401
    assert client.post("/change", headers=claims | world.bearer(Role.OPERATOR)).json()["name"] == "the operator"


def test_wrong_tokens_through_a_proxy_count_for_whoever_sent_them() -> None:
    world = World(PROXY)
    client = world.client(peer="10.1.0.7")
    bad = {"authorization": "Bearer nonsense"}
    for _ in range(11):
        last = client.get("/read", headers=bad | {"x-forwarded-for": "6.6.6.6, 192.0.2.1"})
    assert last.status_code == 429
    assert client.get("/read", headers=bad | {"x-forwarded-for": "192.0.2.1, 192.0.2.2, 10.1.0.8"}).status_code == 401


def test_without_a_proxy_forwarded_addresses_count_for_nothing() -> None:
    client = World().client(peer="10.9.9.9")
    statuses = [
        client.get("/read", headers={"authorization": "Bearer x", "x-forwarded-for": f"192.0.2.{turn}"}).status_code
        for turn in range(11)
    ]
    assert statuses[-1] == 429


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"])
def test_where_only_this_machine_is_known_what_a_proxy_passed_on_is_asked(header: str) -> None:
    client = World(read=Asks.NOT_THIS_MACHINE).client()
    assert client.get("/read").status_code == 200
    assert client.get("/read", headers={header: "192.0.2.1"}).status_code == 401
    assert World(read=Asks.NOBODY).client().get("/read", headers={header: "192.0.2.1"}).status_code == 200


LIVE = "ws://127.0.0.1:8080/live"


def test_a_websocket_is_opened_by_a_login_and_ends_with_it() -> None:
    world = World()
    client = world.client()
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(LIVE):
        pass
    assert denied.value.status_code == 401
    client.get("/login", params={"token": world.tokens[Role.VIEWER]})
    for origin in ("http://evil.example", "null", "http://127.0.0.1:3000"):
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect(LIVE, headers={"origin": origin}):
            pass
    with client.websocket_connect(LIVE, headers={"origin": HOST}) as socket:
        socket.send_text("here")
        assert socket.receive_text() == "here"
        client.post("/logout", headers={"origin": HOST})
        socket.send_text("still here?")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
        assert ended.value.code == 4401


@pytest.mark.parametrize("claimed", ["the operator", "automatic", "anonymous", "ann (by link)", "\x1b[2K\x07the operator"])
def test_nobody_gets_the_name_of_another_or_of_the_product_from_a_proxy(claimed: str) -> None:
    world = World(PROXY)
    answer = world.client(peer="10.1.0.7").get("/read", headers={"x-user": claimed})
    name = answer.json()["name"]
    assert name.isprintable()
    assert name not in {"the operator", "automatic", "anonymous", "ann (by link)"}


@pytest.mark.parametrize("name", ["automatic", "anonymous", "a\nb", " ann", "\x1b[2K"])
def test_a_token_has_a_name_that_can_be_told(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        AccessConfig.model_validate({"tokens": [{"name": name, "role": "viewer", "hash": "sha256:" + "0" * 64}]})
