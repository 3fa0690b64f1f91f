"""Logins and tokens of a real provider, which this test runs: real keys, real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import ValidationError

from components.access.config import AccessConfig
from components.access.oidc import provider as ours
from components.http.server import HttpServer
from spanloom import clock
from tests.components.access.guarded import World
from tests.components.access.provider import CLIENT, SECRET, Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECOND = 1_000_000_000


class Place:
    """A console that knows a provider, a browser, and their clock."""

    def __init__(self) -> None:
        self.ahead = 0
        self.provider = Provider(self.now)

    def now(self) -> int:
        return clock.system() + self.ahead

    async def open(self) -> None:
        oidc = {
            "issuer": self.provider.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "role_claim": "realm.roles",
            "roles": {"dev": "viewer", "sre": "operator"},
        }
        self.world = World(AccessConfig.model_validate({"oidc": oidc}), clock=self.now)
        self.server = HttpServer(self.world.app, "console", "127.0.0.1", 0)
        await self.server.start()
        self.browser = self.new_browser()

    def new_browser(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.server.url, trust_env=False, timeout=60)

    async def close(self) -> None:
        await self.browser.aclose()
        await self.server.stop()
        assert self.world.authenticator.oidc is not None
        await self.world.authenticator.oidc.close()

    async def sent_back(self) -> str:
        """Begin a login and log in at the provider; gives the address that it sends the browser back to."""
        begun = await self.browser.get("/login/oidc", params={"next": "/page?a=b"})
        assert begun.status_code == 303, begun.text
        assert begun.headers["location"].startswith(f"{self.provider.issuer}/authorize?")
        there = await self.browser.get(begun.headers["location"])
        return there.headers["location"]

    async def ask(self, token: str) -> httpx2.Response:
        return await self.browser.post("/change", headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    async with place.provider:
        await place.open()
        yield place
        await place.close()


async def test_a_person_logs_in_at_the_provider_and_is_who_it_says(place: Place) -> None:
    back = await place.sent_back()
    page = await place.browser.get(back)
    assert page.status_code == 200
    assert 'content="0;url=/page?a=b"' in page.text
    (session,) = [value for value in page.headers.get_list("set-cookie") if value.startswith("spanloom_session")]
    assert "SameSite=strict" in session
    changed = await place.browser.post("/change", headers={"origin": place.server.url})
    assert changed.json() == {"name": "ann", "role": "operator", "source": "oidc"}
    again = await place.browser.get(back)
    assert again.status_code == 400, "a code is used once"


async def test_a_login_that_another_browser_began_or_nobody_or_too_long_ago_is_none(place: Place) -> None:
    back = await place.sent_back()
    async with place.new_browser() as other:
        assert (await other.get(back)).status_code == 400
    assert (await place.browser.get(back)).status_code == 400, "and it is over"
    assert (await place.browser.get("/login/oidc/callback?state=x&code=y")).status_code == 400
    back = await place.sent_back()
    place.ahead = 601 * SECOND
    assert (await place.browser.get(back)).status_code == 400
    assert (await place.browser.get("/page")).status_code == 401


async def test_a_code_of_another_login_and_a_refusal_of_the_provider_let_nobody_in(place: Place) -> None:
    stolen = httpx2.URL(await place.sent_back()).params["code"]
    mine = httpx2.URL(await place.sent_back())
    swapped = await place.browser.get(mine.copy_set_param("code", stolen))
    assert swapped.status_code == 401, "the code's challenge is of another login"
    mine = httpx2.URL(await place.sent_back())
    assert (await place.browser.get(mine.copy_remove_param("code").copy_set_param("error", "<b>no</b>"))).status_code == 401
    mine = httpx2.URL(await place.sent_back())
    assert (await place.browser.get(mine.copy_set_param("iss", "https://evil.example"))).status_code == 401
    assert (await place.browser.get("/page")).status_code == 401


LONG_AGO, FAR_OFF = 1_000_000_000, 4_000_000_000  # of 2001 and 2096, in seconds
WRONG: list[dict[str, Any]] = [
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "another"},
    {"aud": None},
    {"exp": LONG_AGO},
    {"exp": None},
    {"nbf": FAR_OFF},
    {"sub": None},
    {"realm": {"roles": ["staff"]}},
    {"realm": None},
    {"realm": ["roles"]},
]


@pytest.mark.parametrize("change", [*WRONG, {"nonce": "another"}, {"nonce": None}, {"azp": "another"}], ids=str)
async def test_an_id_token_that_does_not_hold_lets_nobody_in(place: Place, change: dict[str, Any]) -> None:
    place.provider.change = change
    answer = await place.browser.get(await place.sent_back())
    assert answer.status_code == 401, answer.text
    assert (await place.browser.get("/page")).status_code == 401
    assert place.world.count("failed_logins") == 1


async def test_a_person_who_chose_the_name_of_a_token_is_distinguished(place: Place) -> None:
    place.provider.who["preferred_username"] = "the operator"
    assert (await place.ask(place.provider.sign())).json()["name"] == "the operator (oidc)"
    await place.browser.get(await place.sent_back())
    changed = await place.browser.post("/change", headers={"origin": place.server.url})
    assert changed.json()["name"] == "the operator (oidc)"


async def test_a_program_sends_a_token_of_the_provider(place: Place) -> None:
    answer = await place.ask(place.provider.sign())
    assert answer.json() == {"name": "ann", "role": "operator", "source": "oidc"}
    viewer = await place.ask(place.provider.sign({"realm": {"roles": "dev"}, "preferred_username": None}))
    assert (viewer.status_code, viewer.json()) == (403, {"error": "1 (viewer) lacks the right to operate"})
    many = await place.ask(place.provider.sign({"aud": ["another", CLIENT]}))
    assert many.status_code == 200
    assert place.provider.asked == ["discovery"], "keys are kept"


@pytest.mark.parametrize("change", WRONG, ids=str)
async def test_a_token_that_does_not_hold_is_refused(place: Place, change: dict[str, Any]) -> None:
    answer = await place.ask(place.provider.sign(change))
    assert answer.status_code == 401, answer.text


async def test_a_token_signed_by_anybody_else_is_refused(place: Place) -> None:
    provider = place.provider
    good = provider.sign()
    real, head = provider.keys["one"], {"alg": "RS256", "kid": "one"}
    claims = jwt.decode(good, real).claims
    public = OctKey.import_key(json.dumps(real.as_dict(private=False)))
    forged = [
        jwt.encode(head, claims, RSAKey.generate_key(2048, {"kid": "one"})),
        jwt.encode({"alg": "HS256", "kid": "one"}, claims, public, algorithms=["HS256"]),
        jwt.encode({"alg": "ES256", "kid": "two"}, claims, ECKey.generate_key("P-256", {"kid": "two"})),
        f"{_part({'alg': 'none'})}.{_part(claims)}.",
        f"{good.split('.')[0]}.{_part(claims | {'realm': {'roles': ['sre']}, 'sub': 'eve'})}.{good.split('.')[2]}",
        good[:-4] + "AAAA",
        "a.b.c",
        "..",
        f"{'x' * 20_000}.y.z",
    ]
    for token in forged:
        answer = await place.ask(token)
        assert answer.status_code == 401, token[:200]
    assert (await place.ask(good)).status_code == 200


async def test_new_keys_are_found_but_unknown_ones_do_not_make_us_ask_without_end(place: Place) -> None:
    provider = place.provider
    assert (await place.ask(provider.sign())).status_code == 200
    old = provider.sign()
    provider.keys = {"two": ECKey.generate_key("P-256", {"kid": "two", "use": "sig", "alg": "ES256"})}
    provider.header = {"alg": "ES256", "kid": "two"}
    for _ in range(3):
        assert (await place.ask(provider.sign())).status_code == 401
    assert len(provider.asked) == 1
    place.ahead = int(ours.RETRY_SECONDS * SECOND)
    assert (await place.ask(provider.sign())).status_code == 200
    assert (await place.ask(old)).status_code == 401, "a key that it withdrew"
    assert len(provider.asked) == 2


async def test_who_has_a_known_key_does_not_wait_for_whoever_made_us_ask_for_another(place: Place) -> None:
    provider = place.provider
    assert (await place.ask(provider.sign())).status_code == 200
    place.ahead = int(ours.RETRY_SECONDS * SECOND)
    provider.answering.clear()
    unknown = jwt.encode({"alg": "RS256", "kid": "x"}, {"sub": "1"}, RSAKey.generate_key(2048, {"kid": "x"}))
    waiting = asyncio.create_task(place.ask(unknown))
    await provider.asking.wait()
    assert (await place.ask(provider.sign())).status_code == 200
    assert not waiting.done()
    provider.answering.set()
    assert (await waiting).status_code == 401


async def test_a_provider_that_is_away_is_said_so_and_found_again(place: Place) -> None:
    token, port = place.provider.sign(), place.provider.server.port
    await place.provider.server.stop()
    for asked in (await place.ask(token), await place.browser.get("/login/oidc")):
        assert asked.status_code == 503
        assert place.provider.issuer in asked.text
    assert place.world.count("failed_logins") == 0
    back = Provider(place.now, port)
    back.keys = place.provider.keys
    async with back:
        place.ahead = int(ours.RETRY_SECONDS * SECOND)
        assert (await place.ask(token)).status_code == 200


async def test_a_provider_of_another_name_is_not_believed(place: Place) -> None:
    place.provider.metadata = {"issuer": "https://login.example"}
    answer = await place.ask(place.provider.sign())
    assert answer.status_code == 503
    assert "set access.oidc.issuer to that" in answer.json()["error"]


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "jwks_uri"])
async def test_an_endpoint_without_tls_is_not_used(place: Place, endpoint: str) -> None:
    place.provider.metadata = {endpoint: "http://192.0.2.1/here"}
    answer = await place.browser.get("/login/oidc")
    assert answer.status_code == 503
    assert "is not https" in answer.text


@pytest.mark.parametrize("issuer", ["http://login.example", "login.example", "http://127.0.0.1.evil.example", "file:///x"])
def test_a_provider_without_tls_is_refused(issuer: str) -> None:
    with pytest.raises(ValidationError, match="https"):
        AccessConfig.model_validate({"oidc": {"issuer": issuer, "client_id": "x", "roles": {"a": "viewer"}}})


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
