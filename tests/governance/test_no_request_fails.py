"""100 updates of every kind and 10 rotations of all certificates, while clients send requests without a pause."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.durations import HOUR, SECOND
from governance.compile.site import Options
from governance.svid.authority import Authority
from spanloom import clock
from tests.governance.mesh import DEADLINE, Connection, Mesh, in_seconds, until
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"
UPDATES, ROTATIONS = 100, 10
ALLOWED = "authorization: [{name: readers, service: pay, allow: [{callers: [front], match: {methods: [GET]}}]}]"
OTHERS = (
    "limits: [{name: most, service: pay, requests: 1000000, per: 1h}]",
    "timeouts: [{name: long, service: pay, request: 1h}]",
    "breakers: [{name: wide, service: pay, connections: 900, requests: 900, pending: 900}]",
    "routes: [{name: pay, service: pay, rules: [{match: {prefix: /a}, to: [{weight: 3}, {service: old}]}, {to: [{}]}]}]",
    "routes: [{name: pay, service: pay, rules: [{match: {share: 30%}, to: [{service: old, labels: {name: b}}]}, {to: [{}]}]}]",
    "mirrors: [{name: shadow, service: pay, to: {service: old}, share: 10%}]",
    "faults: [{name: none, service: pay, headers: [{name: x-nobody}], abort: {status: 500}, until: UNTIL}]",
    "mtls: [{name: proven, service: pay, mode: strict}]\n" + ALLOWED,
    "limits: [{name: all, service: pay, scope: fleet, requests: 1000000, per: 1h}]",
    "collection: [{name: few, service: front, share: 10}]",
)
RETRIED = "retries: [{name: again, service: pay, attempts: 3}, {name: too, service: old, attempts: 3}]\n"
"""On a busy machine a handshake between Envoys can come late; connections that fail are tried again, answers are not."""


@dataclass(frozen=True, slots=True)
class Valid:
    """A certificate whose renewal follows the test's clock, and whose validity Envoy's."""

    certificate: str
    key: str
    renew_at: int


class Issuer:
    """Of certificates that are valid now, whatever time it is in the test."""

    def __init__(self, authority: Authority) -> None:
        self._authority, self.bundle = authority, authority.bundle

    def issue(self, service: str, now: int) -> Valid:
        found = self._authority.issue(service, clock.system())
        return Valid(found.certificate, found.key, now + HOUR // 2)


async def test_no_request_fails_during_a_hundred_updates_and_ten_rotations(tmp_path: Path) -> None:
    offset = [0]
    authority = Authority(tmp_path / "authority.pem", DOMAIN, 24 * HOUR, clock.system())
    options = Options(trust_domain=DOMAIN, limit_deadline=10 * SECOND)
    issuer, found, ended = Issuer(authority), Counter[int](), asyncio.Event()
    async with Mesh(tmp_path, options=options, issuer=issuer, now=lambda: clock.system() + offset[0]) as mesh:
        pay, first, second = await mesh.upstream("pay"), await mesh.upstream("a"), await mesh.upstream("b")
        entry = (
            f"services: [{{name: pay}}, {{name: old, endpoints: [{{address: 127.0.0.1, port: {first.port}, "
            f"labels: {{name: a}}}}, {{address: 127.0.0.1, port: {second.port}, labels: {{name: b}}}}]}}]\n" + RETRIED
        )
        await mesh.publish(entry)
        outbound = free_port()
        await mesh.envoy("pay", inbound=free_port(), address="127.0.0.1", application=pay.port)
        await mesh.envoy("front", outbound=outbound, delta=True)
        async with Connection(outbound) as kept, asyncio.timeout(DEADLINE):
            while (await kept.get("pay"))[0] != 200:  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                await asyncio.sleep(0.05)

        async def kept_connection() -> None:
            async with Connection(outbound) as one:
                while not ended.is_set():
                    found[(await one.get("pay", "/a"))[0]] += 1

        async def new_connections() -> None:
            while not ended.is_set():
                async with Connection(outbound) as one:
                    found[(await one.get("pay", "/b"))[0]] += 1

        async with asyncio.TaskGroup() as group:
            for client in (kept_connection, kept_connection, new_connections):
                group.create_task(client())
            assert mesh.control.identities is not None
            secrets = mesh.control.identities.secrets
            for update in range(1, UPDATES + 1):
                written = OTHERS[update % len(OTHERS)].replace("UNTIL", in_seconds(3600))
                await mesh.publish(f"{entry}{written}\n# update {update}")
                rollout = mesh.control.rollout
                assert rollout is not None
                assert rollout.state.value == "done", rollout.why
                before = found.total()
                if update % (UPDATES // ROTATIONS) == 0:
                    rotated = secrets.renewed
                    offset[0] += HOUR // 2 + SECOND
                    await until(lambda: secrets.renewed >= rotated + 2, "both have new certificates")  # noqa: B023
                await until(lambda: found.total() >= before + 5, "requests go on")  # noqa: B023
            ended.set()
        assert secrets.renewed == 2 * ROTATIONS
    assert found.keys() == {200}, found
    assert found.total() >= 5 * UPDATES
    assert pay.hits + first.hits + second.hits >= found.total()
