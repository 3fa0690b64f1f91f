"""Identities out of another Workload API than the control plane's: of Envoy, through the agent, and of workloads beside it."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from spiffe import WorkloadApiClient

from agent.relay.messages import SECRET, Response
from agent.relay.snapshots import Snapshots
from agent.workload_api.from_workload_api import chosen
from agent.workload_api.messages import svids_response
from components.durations import HOUR
from governance.compile.site import Options
from governance.config import ControlPlaneConfig
from governance.svid.authority import Authority
from spanloom import clock
from spanloom.process.control import Control
from telemetry.errors import InputError
from tests.agent.traffic import running
from tests.agent.workload_api.beside import OtherAuthority
from tests.governance.mesh import DEADLINE, Connection, Mesh, needs_envoy, until
from tests.governance.test_identity import context, status_of
from tests.services import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

DOMAIN = "spire.test"
GUARDED = """
services: [{name: pay}]
mtls: [{name: proven, service: pay, mode: strict}]
authorization: [{name: readers, service: pay, allow: [{callers: [front]}]}]
retries: [{name: again, service: pay, attempts: 3}]
"""
"""On a busy machine a handshake can come late; connections that fail are tried again, answers are not."""
ROTATIONS = 10


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spanloom-") as made:
        yield Path(made)


def keys_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.pem"))


async def shown_by(port: int, tls: ssl.SSLContext) -> bytes | None:
    """The certificate that a port shows, as DER."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    assert found is None or isinstance(found, bytes)
    return found


async def test_envoy_proves_who_it_is_by_another_authority_and_ten_rotations_fail_no_request(
    tmp_path: Path, folder: Path
) -> None:
    needs_envoy()
    authority = Authority(tmp_path / "spire.pem", DOMAIN, HOUR, clock.system())
    other = Authority(tmp_path / "ours.pem", DOMAIN, HOUR, clock.system())
    found, ended = Counter[int](), asyncio.Event()
    options = Options(trust_domain=DOMAIN)
    async with Mesh(tmp_path / "control", options=options) as mesh, OtherAuthority(folder, authority, "pay", "front") as spire:
        pay, inbound, outbound = await mesh.upstream("pay"), free_port(), free_port()
        await mesh.publish(GUARDED)

        def settings(service: str) -> dict[str, object]:
            identity = {"workload_api": spire.address(service)}
            return {"service": service, "control": {"address": f"127.0.0.1:{mesh.port}"}, "identity": identity, "node": service}

        serving = {**settings("pay"), "inbound": {"port": inbound, "application": f"127.0.0.1:{pay.port}"}}
        calling = {**settings("front"), "outbound": {"port": outbound}}
        calling["identity"] = {"workload_api": spire.address("front"), "sockets": [{"path": str(folder / "again")}]}
        async with (
            running(tmp_path / "pay", clock.system, **serving) as at_pay,
            running(tmp_path / "front", clock.system, **calling) as at_front,
        ):
            await at_pay.ready()
            await at_front.ready()
            await until(lambda: mesh.has("pay") and mesh.has("front"), "both have their configuration")
            async with Connection(outbound) as first, asyncio.timeout(DEADLINE):
                while (await first.get("pay"))[0] != 200:  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                    await asyncio.sleep(0.05)
            assert pay.seen[-1]["x-forwarded-client-cert"].endswith(f"uri=spiffe://{DOMAIN}/ns/default/sa/front")

            for name, issuer, service, expected in (
                ("front", authority, "front", 200),
                ("thief", authority, "thief", 403),
                ("foreign", other, "front", None),
            ):
                tls = context(tmp_path, name, issuer.issue(service, clock.system()), authority.bundle)
                assert await status_of(inbound, tls) == expected, name

            async def load(requests: int) -> None:
                while not ended.is_set():
                    async with Connection(outbound) as one:
                        for _ in range(requests):
                            found[(await one.get("pay"))[0]] += 1

            looks = context(tmp_path, "looks", authority.issue("front", clock.system()), authority.bundle)
            async with asyncio.TaskGroup() as group:
                group.create_task(load(1000))
                group.create_task(load(1))
                for _ in range(ROTATIONS):
                    spire.rotate("front")
                    wanted, before = spire.rotate("pay").chain[0], found.total()
                    async with asyncio.timeout(DEADLINE):
                        while await shown_by(inbound, looks) != wanted:  # noqa: ASYNC110 - what Envoy does
                            await asyncio.sleep(0.02)
                    await until(lambda: found.total() >= before + 10, "requests go on")  # noqa: B023
                ended.set()
            assert found.keys() == {200}, found

            def fetch() -> bytes:
                with WorkloadApiClient(f"unix:{folder / 'again'}") as client:
                    return client.fetch_x509_svid(timeout=DEADLINE).leaf.tbs_certificate_bytes

            newest = spire.held["front"].current
            assert newest is not None
            assert await asyncio.to_thread(fetch) in newest.chain[0]  # what one Workload API says the other repeats
            assert at_front.metric("spanloom_agent_identities_total", result="used") >= ROTATIONS


async def test_a_control_plane_without_an_authority_has_no_key_and_checks_policies_all_the_same(tmp_path: Path) -> None:
    needs_envoy()
    config = ControlPlaneConfig.model_validate({"identity": {"trust_domain": DOMAIN, "authority": False}})
    async with Control(config, tmp_path, CollectorRegistry(), clock.system) as control:
        await control.plane.publish(GUARDED, "test.yml", "ann")
        assert control.plane.identities is None
    assert not keys_in(tmp_path)


def test_an_identity_that_is_not_the_services_is_not_used(tmp_path: Path, folder: Path) -> None:
    spire = OtherAuthority(folder, Authority(tmp_path / "a.pem", DOMAIN, HOUR, clock.system()), "pay", "shop/front")
    pay, front = (each.current for each in spire.held.values())
    assert pay is not None
    assert front is not None
    both = svids_response(pay.svid) + svids_response(front.svid)  # repeated fields are joined
    assert chosen(both, "shop/front") == front
    assert chosen(both, front.spiffe_id) == front
    assert chosen(both, "pay") == pay
    with pytest.raises(
        InputError, match=r"register spiffe://TRUST_DOMAIN/ns/default/sa/front .* gives it .*/sa/pay, .*/sa/front"
    ):
        chosen(both, "front")
    with pytest.raises(InputError, match="gives it nothing"):
        chosen(b"", "front")


def test_the_control_planes_secrets_are_never_used_where_the_agents_are_somebody_elses() -> None:
    snapshots = Snapshots()
    snapshots.own_secrets = frozenset({"workload", "trust"})
    assert set(snapshots.own_only(SECRET)) == {"workload", "trust"}
    assert not snapshots.answer(SECRET, ("workload",), 0).resources
    snapshots.set_own({SECRET: {"workload": b"own"}})
    assert snapshots.offer(Response(SECRET, "1", "n", {"workload": b"theirs", "other": b"x"}), ("workload", "other"))
    assert snapshots.answer(SECRET, ("workload", "other"), 0).resources == {"workload": b"own", "other": b"x"}
