"""Every policy off, on and off again, by requests on one kept connection through Envoy: out of a caller and into a service."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.governance.mesh import Connection, Mesh, Upstream, in_seconds, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
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


async def mirrored(shop: Shop) -> None:
    before = shop.others[1].hits
    assert await shop.statuses(10) == {200: 10}
    await until(lambda: shop.others[1].hits == before + 10, "the copies arrive")


async def rewritten(shop: Shop) -> None:
    assert (await shop.kept.get("pay", "/api/v1/charge"))[0] == 200
    assert shop.pay.seen[-1][":path"] == "/charge"


async def by_method(shop: Shop) -> None:
    assert await shop.kept.get("pay", "/", "POST") == (200, "b")
    assert await shop.kept.get("pay") == (200, "pay")


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
    "outlier": (
        "breakers: [{name: bad, service: old, outliers: {consecutive_errors: 3, interval: 1h, ejected_for: 1h}}]",
        ejected,
    ),
    "mirror": ("mirrors: [{name: shadow, service: pay, to: {service: old, labels: {name: b}}}]", mirrored),
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
    "mtls": ("mtls: [{name: proven, service: pay, mode: strict}]", strict),
    "hash": ("services: [SERVICE balancing: maglev, hash_by: {header: x-user}}]", hashed),
}


@asynccontextmanager
async def shop_of(folder: Path) -> AsyncIterator[tuple[Shop, str]]:
    async with Mesh(folder) as mesh:
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


async def test_a_fault_ends_at_its_time_by_itself(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as (shop, entry):
        fault = f"faults: [{{name: bad, service: pay, abort: {{status: 418}}, until: {in_seconds(4)}}}]"
        await shop.mesh.publish(f"services: [{entry}}}]\n{fault}")
        assert (await shop.statuses(1)).keys() <= {418, 200}
        async with asyncio.timeout(60):
            while await shop.statuses(3) != {200: 3}:  # noqa: ASYNC110 - what Envoy does
                await asyncio.sleep(0.1)
