"""Every policy off, on and off again, by requests on one kept connection through Envoy: out of a caller and into a service."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from components.durations import SECOND
from governance.compile.site import Options
from governance.compile.tokens import TokenIssuer
from spanloom import clock
from tests.governance.mesh import Connection, Mesh, Upstream, in_seconds, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path


class Shop:
    """`pay`, with an agent before it; `old`, two instances without one; and a caller of both, all through one Envoy."""

    def __init__(self, mesh: Mesh, kept: Connection, pay: Upstream, others: tuple[Upstream, Upstream]) -> None:
        self.mesh, self.kept, self.pay, self.others = mesh, kept, pay, others
        self.answered = 0

    async def statuses(self, count: int = 10, host: str = "pay", **headers: str) -> Counter[int]:
        return Counter([(await self.kept.get(host, **headers))[0] for _ in range(count)])

    async def names(self, count: int = 20, host: str = "old", **headers: str) -> Counter[str]:
        return Counter([(await self.kept.get(host, **headers))[1] for _ in range(count)])

    async def together(self, count: int, host: str = "pay") -> Counter[int]:
        """The statuses of requests that are in flight at once."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._alone(host)) for _ in range(count)]
        return Counter(task.result() for task in tasks)

    async def _alone(self, host: str) -> int:
        async with Connection(self.kept.port) as one:
            status, _ = await one.get(host)
        self.answered += 1
        return status


async def limited(shop: Shop) -> None:
    found = [await shop.kept.ask("pay", "/x") for _ in range(8)]
    assert Counter(status for status, _, _ in found) == {200: 5, 429: 3}
    assert found[-1][2]["x-ratelimit-limit"].startswith("5")
    assert (await shop.kept.get("pay", "/other"))[0] == 200


async def delayed(shop: Shop) -> None:
    started = asyncio.get_running_loop().time()
    assert await shop.statuses(1) == {200: 1}
    assert asyncio.get_running_loop().time() - started >= 0.25


async def aborted(shop: Shop) -> None:
    assert await shop.statuses() == {418: 10}


async def aborted_by_header(shop: Shop) -> None:
    assert await shop.statuses(5, x_user="ann") == {503: 5}
    assert await shop.statuses(5, x_user="bob") == {200: 5}


async def aborted_in_part(shop: Shop) -> None:
    found = await shop.statuses(300)
    assert 25 <= found[500] <= 100  # of 60; beyond 5 standard deviations


async def timed_out(shop: Shop) -> None:
    shop.pay.held.clear()
    assert await shop.statuses(1) == {504: 1}
    shop.pay.held.set()


async def broken(shop: Shop) -> None:
    shop.pay.held.clear()
    shop.answered = 0
    flight = asyncio.create_task(shop.together(10))
    await until(lambda: shop.answered >= 7, "the others are refused at once")
    shop.pay.held.set()
    found = await flight
    assert 1 <= found[200] <= 3  # a connection that is being made is pending, too
    assert found[200] + found[503] == 10


async def retried(shop: Shop) -> None:
    shop.others[0].status = 503
    assert await shop.statuses(20, "old") == {200: 20}
    shop.others[0].status = 200


async def ejected(shop: Shop) -> None:
    shop.others[0].status = 503
    await shop.statuses(20, "old")
    before = shop.others[0].hits
    assert await shop.statuses(20, "old") == {200: 20}
    assert shop.others[0].hits == before
    shop.others[0].status = 200


async def budgeted(shop: Shop) -> None:
    """Of forty that fail at once a fifth may be tried again at a time."""
    before, shop.answered = hits(shop), 0
    for other in shop.others:
        other.status = 503
        other.held.clear()
    flight = asyncio.create_task(shop.together(40, "old"))
    await until(lambda: hits(shop) == before + 40, "all have arrived")
    for other in shop.others:  # those that have arrived are answered; what comes next is held again
        other.held.set()
        other.held.clear()
    await until(lambda: shop.answered + hits(shop) - before == 80, "each has failed, or is tried again")
    assert 3 <= hits(shop) - before - 40 <= 12
    for other in shop.others:
        other.held.set()
    assert await flight == {503: 40}
    for other in shop.others:
        other.status = 200


def hits(shop: Shop) -> int:
    return sum(each.hits for each in shop.others)


async def mirrored(shop: Shop) -> None:
    before = shop.others[1].hits
    assert await shop.statuses(10) == {200: 10}
    await until(lambda: shop.others[1].hits == before + 10, "the copies arrive")


async def mirrored_in_part(shop: Shop) -> None:
    before = shop.others[1].hits
    assert await shop.statuses(200) == {200: 200}
    await until(lambda: shop.others[1].hits >= before + 65, "of 100 copies; beyond 5 standard deviations")
    assert shop.others[1].hits <= before + 135


async def rewritten(shop: Shop) -> None:
    assert (await shop.kept.get("pay", "/api/v1/charge"))[0] == 200
    assert shop.pay.seen[-1][":path"] == "/charge"


async def by_method(shop: Shop) -> None:
    assert await shop.kept.get("pay", "/", "POST") == (200, "b")
    assert await shop.kept.get("pay") == (200, "pay")


async def by_path(shop: Shop) -> None:
    assert await shop.kept.get("pay", "/b") == (200, "b")
    assert await shop.kept.get("pay", "/b?x=1") == (200, "b")
    assert await shop.kept.get("pay", "/b/c") == (200, "pay")


async def by_user(shop: Shop) -> None:
    assert await shop.kept.get("pay", x_user="ann") == (200, "b")
    assert await shop.kept.get("pay", x_user="anna") == (200, "pay")
    assert await shop.kept.get("pay") == (200, "pay")


async def in_shares(shop: Shop) -> None:
    found = await shop.names(300, "pay")
    assert found.keys() == {"pay", "b"}
    assert 40 <= found["b"] <= 140  # of 90; beyond 5 standard deviations


async def by_address(shop: Shop) -> None:
    assert len(await shop.names(30)) == 1


async def by_cookie(shop: Shop) -> None:
    """A caller without the cookie gets one, and stays where it leads."""
    _, first, headers = await shop.kept.ask("old")
    cookie = headers["set-cookie"].partition(";")[0].strip()
    assert await shop.names(5, cookie=cookie) == {first: 5}
    by_user = [set(await shop.names(4, cookie=f"user={number}")) for number in range(16)]
    assert all(len(each) == 1 for each in by_user)
    assert set.union(*by_user) == {"a", "b"}


async def slowed(shop: Shop) -> None:
    """Of 3 KiB at 1 KiB a second: all in pieces, the last one late."""
    shop.pay.padding = "x" * 3072
    started = asyncio.get_running_loop().time()
    status, body = await shop.kept.get("pay")
    assert (status, len(body)) == (200, 3075)
    assert asyncio.get_running_loop().time() - started >= 1.5
    shop.pay.padding = ""


async def denied(shop: Shop) -> None:
    """Nobody proves an identity here: only what anybody may is left."""
    assert await shop.kept.get("pay", "/health") == (200, "pay")
    assert await shop.kept.get("pay", "/health?deep=1") == (200, "pay")
    assert (await shop.kept.get("pay", "/health/../admin"))[0] == 403
    assert (await shop.kept.get("pay", "/health", "POST"))[0] == 403
    assert (await shop.kept.get("pay"))[0] == 403


async def strict(shop: Shop) -> None:
    assert await shop.statuses(3) == {403: 3}


async def hashed(shop: Shop) -> None:
    by_user = [set((await shop.names(4, x_user=f"user{number}")).elements()) for number in range(16)]
    assert all(len(each) == 1 for each in by_user)
    assert set.union(*by_user) == {"a", "b"}


async def crowded(shop: Shop) -> None:
    """Until it knows the latency of the service it lets as few pass as it may."""
    shop.pay.held.clear()
    shop.answered = 0
    flight = asyncio.create_task(shop.together(10))
    await until(lambda: shop.answered >= 7, "the others are refused at once")
    shop.pay.held.set()
    assert await flight == {200: 3, 503: 7}


async def needs_token(shop: Shop) -> None:
    async def status(**claims: str | int) -> int:
        return (await shop.kept.get("pay", "/api", authorization=f"Bearer {token(SIGNING, claims)}"))[0]

    assert (await shop.kept.get("pay", "/api"))[0] == 401
    assert (await shop.kept.get("pay", "/open"))[0] == 200
    assert (await shop.kept.get("pay", "/open/../api"))[0] == 401
    assert await status() == 200
    assert "authorization" in shop.pay.seen[-1], "the application can read it"
    assert await status(aud="books") == 403
    assert await status(iss="https://elsewhere.example") == 401
    assert await status(exp=clock.system() // SECOND - 3600) == 401
    forged = token(OctKey.import_key("0" * 64), algorithm="HS256")
    unsigned = ".".join((*token(SIGNING).split(".")[:2], ""))
    for wrong in (token(RSAKey.generate_key(2048, {"kid": "one"})), forged, unsigned):
        assert (await shop.kept.get("pay", "/api", authorization=f"Bearer {wrong}"))[0] == 401


SIGNING = RSAKey.generate_key(2048, {"kid": "one"})
ISSUER = TokenIssuer(
    "users", "https://users.example", ("pay",), json.dumps({"keys": [SIGNING.as_dict(private=False, use="sig", alg="RS256")]})
)


def token(key: RSAKey | OctKey, claims: Mapping[str, str | int] | None = None, algorithm: str = "RS256") -> str:
    """Of ann for pay, for an hour, unless `claims` say something else."""
    usual = {"iss": ISSUER.issuer, "aud": "pay", "sub": "ann", "exp": clock.system() // SECOND + 3600}
    return jwt.encode({"alg": algorithm, "kid": "one"}, {**usual, **(claims or {})}, key, algorithms=[algorithm])


TO_B = "{service: old, labels: {name: b}}"
POLICIES: dict[str, tuple[str, Callable[[Shop], Awaitable[None]]]] = {
    "limit": ("limits: [{name: most, service: pay, requests: 5, per: 1h, match: {prefix: /x, methods: [GET]}}]", limited),
    "delay": ("faults: [{name: slow, service: pay, delay: {duration: 300ms}, until: UNTIL}]", delayed),
    "abort": ("faults: [{name: bad, service: pay, abort: {status: 418}, until: UNTIL}]", aborted),
    "abort at callers": ("faults: [{name: bad, service: pay, side: outbound, abort: {status: 418}, until: UNTIL}]", aborted),
    "abort by header": (
        "faults: [{name: bad, service: pay, headers: [{name: x-user, exact: ann}], abort: {status: 503}, until: UNTIL}]",
        aborted_by_header,
    ),
    "abort a share": ("faults: [{name: bad, service: pay, abort: {status: 500, share: 20%}, until: UNTIL}]", aborted_in_part),
    "timeout": ("timeouts: [{name: short, service: pay, request: 200ms}]", timed_out),
    "breaker": ("breakers: [{name: few, service: pay, connections: 2, pending: 1, requests: 2}]", broken),
    "retry": ("retries: [{name: again, service: old, attempts: 3, when: [5xx], budget: 100%}]", retried),
    "retry budget": ("retries: [{name: again, service: old, attempts: 3, when: [5xx], budget: 20%}]", budgeted),
    "outlier": (
        "breakers: [{name: bad, service: old, outliers: {consecutive_errors: 3, interval: 1h, ejected_for: 1h}}]",
        ejected,
    ),
    "mirror": ("mirrors: [{name: shadow, service: pay, to: {service: old, labels: {name: b}}}]", mirrored),
    "mirror a share": (
        "mirrors: [{name: shadow, service: pay, to: {service: old, labels: {name: b}}, share: 50%}]",
        mirrored_in_part,
    ),
    "rewrite": (
        "routes: [{name: api, service: pay, rules: [{match: {prefix: /api/v1/}, prefix_rewrite: /, to: [{}]}]}]",
        rewritten,
    ),
    "method": (
        "routes: [{name: post, service: pay, rules: [{match: {methods: [POST]}, to: [{service: old, labels: {name: b}}]}]}]",
        by_method,
    ),
    "authorization": (
        "authorization: [{name: some, service: pay, allow: [{callers: ['*'], match: {path: /health, methods: [GET]}}]}]",
        denied,
    ),
    "concurrency": ("concurrency: [{name: few, service: pay, most: 50}]", crowded),
    "tokens": ("tokens: [{name: api, service: pay, issuer: users, match: {prefix: /api}}]", needs_token),
    "mtls": ("mtls: [{name: proven, service: pay, mode: strict}]", strict),
    "fleet limit": (
        "limits: [{name: most, service: pay, scope: fleet, requests: 5, per: 1h, match: {prefix: /x, methods: [GET]}}]",
        limited,
    ),
    "bandwidth": ("faults: [{name: thin, service: pay, bandwidth: {kibibytes_per_second: 1}, until: UNTIL}]", slowed),
    "path": ("routes: [{name: r, service: pay, rules: [{match: {path: /b}, to: [TO_B]}]}]", by_path),
    "user tag": (
        "routes: [{name: r, service: pay, rules: [{match: {headers: [{name: x-user, exact: ann}]}, to: [TO_B]}]}]",
        by_user,
    ),
    "percentage": ("routes: [{name: r, service: pay, rules: [{match: {share: 30%}, to: [TO_B]}]}]", in_shares),
    "weights": ("routes: [{name: r, service: pay, rules: [{to: [{weight: 70}, TO_B3]}]}]", in_shares),
    "maglev by address": ("services: [SERVICE balancing: maglev, hash_by: {source_ip: true}}]", by_address),
    "cookie": ("services: [SERVICE balancing: ring_hash, hash_by: {cookie: user}}]", by_cookie),
    "hash": ("services: [SERVICE balancing: maglev, hash_by: {header: x-user}}]", hashed),
}


@asynccontextmanager
async def shop_of(folder: Path) -> AsyncIterator[tuple[Shop, str]]:
    async with Mesh(folder, options=Options(token_issuers=(ISSUER,), limit_deadline=30 * SECOND)) as mesh:
        pay, first, second = await mesh.upstream("pay"), await mesh.upstream("a"), await mesh.upstream("b")
        entry = (
            f"{{name: old, endpoints: [{{address: 127.0.0.1, port: {first.port}, labels: {{name: a}}}}, "
            f"{{address: 127.0.0.1, port: {second.port}, labels: {{name: b}}}}],"
        )
        await mesh.publish(f"services: [{entry}}}]")
        outbound = free_port()
        await mesh.envoy("pay", inbound=free_port(), address="127.0.0.1", application=pay.port, outbound=outbound)
        async with Connection(outbound) as kept:
            async with asyncio.timeout(60):
                while await kept.get("pay") != (200, "pay"):  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                    await asyncio.sleep(0.05)
            yield Shop(mesh, kept, pay, (first, second)), entry


async def test_every_policy_acts_while_it_is_there_and_not_a_request_longer(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as (shop, entry):
        plain = f"services: [{entry}}}]\n"
        for name, (written, acts) in POLICIES.items():
            text = written.replace("UNTIL", in_seconds(3600)).replace("SERVICE", entry)
            text = text.replace("TO_B3", TO_B.replace("}}", "}, weight: 30}")).replace("TO_B", TO_B)
            await shop.mesh.publish(text if text.startswith("services") else plain + text)
            rollout = shop.mesh.control.rollout
            assert rollout is not None
            assert rollout.state.value == "done", f"{name}: {rollout.why}"
            try:
                await acts(shop)
            except AssertionError as error:
                raise AssertionError(f"{name} while it is on") from error
            await shop.mesh.publish(plain)
            assert await shop.statuses(5) == {200: 5}, f"{name} after it was taken away"
            assert set(await shop.names(20)) == {"a", "b"}, f"{name} after it was taken away"
        assert shop.mesh.registry.get_sample_value("spanloom_control_rollbacks_total", {"reason": "refused"}) is None


@pytest.mark.parametrize("side", ["inbound", "outbound"])
async def test_a_fault_is_of_some_instances_alone(tmp_path: Path, side: str) -> None:
    async with Mesh(tmp_path) as mesh:
        outbound = free_port()
        for version in ("v1", "v2", "v3"):
            behind = await mesh.upstream(version)
            labels = {"version": version, "host": version}
            await mesh.envoy("pay", inbound=free_port(), address="127.0.0.1", application=behind.port, labels=labels)
        await mesh.envoy("front", outbound=outbound)
        to = ", ".join(f"{{labels: {{version: v{number}}}}}" for number in (1, 2, 3))
        routes = f"routes: [{{name: r, service: pay, rules: [{{to: [{to}]}}]}}]\n"
        fault = f"name: bad, service: pay, side: {side}, labels: {{version: v2}}, until: {in_seconds(3600)}"
        async with Connection(outbound) as kept:

            async def answers() -> Counter[tuple[int, str]]:
                return Counter([await kept.get("pay") for _ in range(60)])

            await mesh.publish(routes)
            async with asyncio.timeout(60):
                while set(await answers()) != {(200, "v1"), (200, "v2"), (200, "v3")}:
                    pass
            await mesh.publish(f"{routes}faults: [{{{fault}, abort: {{status: 418, share: 100%}}}}]")
            found = await answers()
            assert {status for status, _ in found} == {200, 418}
            assert {body for status, body in found if status == 200} == {"v1", "v3"}
            await mesh.publish(routes)
            assert set(await answers()) == {(200, "v1"), (200, "v2"), (200, "v3")}


async def test_a_fault_ends_at_its_time_by_itself(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as (shop, entry):
        fault = f"faults: [{{name: bad, service: pay, abort: {{status: 418}}, until: {in_seconds(4)}}}]"
        await shop.mesh.publish(f"services: [{entry}}}]\n{fault}")
        assert (await shop.statuses(1)).keys() <= {418, 200}
        async with asyncio.timeout(60):
            while await shop.statuses(3) != {200: 3}:  # noqa: ASYNC110 - what Envoy does
                await asyncio.sleep(0.1)
