"""The agent's own connections, to the collector and to the control plane, where both sides have to show certificates."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
import trustme
from prometheus_client import CollectorRegistry

from agent.config import CollectorConfig, ControlConfig
from agent.metrics import AgentMetrics
from agent.workload_api.from_control import FromControl
from agent.workload_api.identity import HeldIdentity
from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from components.durations import HOUR
from components.private_files import write_private
from components.tls import TlsConfig
from governance.config import ControlPlaneConfig
from governance.svid.authority import Authority
from spanloom import clock
from spanloom.process.control import Control
from tests.agent.test_telemetry import Records
from tests.agent.traffic import backend, needs_envoy, running, until
from tests.governance.mesh import DEADLINE
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"


def certificates(folder: Path) -> TlsConfig:
    """Files of a server on loopback that asks for certificates, and of clients: `front`, which it accepts, and `other`."""
    servers, known, unknown = trustme.CA(), *(Authority(folder / f"{name}-root", DOMAIN, HOUR, clock.system()) for name in "ab")
    servers.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    servers.cert_pem.write_to_path(folder / "ca.pem")
    for name, authority in (("front", known), ("other", unknown)):
        svid = authority.issue("front", clock.system())
        (folder / f"{name}.pem").write_text(svid.key + svid.certificate)
    (folder / "clients.pem").write_text(known.bundle)
    (folder / "others.pem").write_text(unknown.bundle)
    return TlsConfig(certificate=folder / "server.pem", key=folder / "server.pem", client_ca=folder / "clients.pem")


def shown(folder: Path, name: str) -> dict[str, str]:
    return {"ca": str(folder / "ca.pem"), "certificate": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.pem")}


@needs_envoy
async def test_telemetry_of_envoy_reaches_a_collector_that_asks_for_a_certificate(tmp_path: Path) -> None:
    records = Records()
    receiver = OtlpGrpcReceiver(
        OtlpGrpcConfig(port=0, tls=certificates(tmp_path)), records, CollectorMetrics(CollectorRegistry())
    )
    await receiver.start()
    try:
        collector = {"address": f"127.0.0.1:{receiver.port}", "stats_seconds": 1, **shown(tmp_path, "front")}
        with backend("shop") as shop:
            inbound = {"port": free_port(), "application": f"127.0.0.1:{shop.server_port}"}
            async with running(tmp_path / "agent", service="front", inbound=inbound, collector=collector) as agent:
                await agent.ready()
                await until(lambda: records.requests["otlp_metrics"])
    finally:
        await receiver.stop()


def test_a_certificate_comes_with_its_key_and_over_tls_alone() -> None:
    for kind in (CollectorConfig, ControlConfig):
        address = {"address": "127.0.0.1:1"}
        with pytest.raises(ValueError, match="set together"):
            kind.model_validate({**address, "ca": "a", "certificate": "b"})
        with pytest.raises(ValueError, match="certificate needs ca"):
            kind.model_validate({**address, "certificate": "b", "key": "c"})


async def test_the_control_plane_asks_for_certificates_and_gives_each_its_own_keys(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    port = free_port()
    config = ControlPlaneConfig.model_validate(
        {"identity": {"trust_domain": DOMAIN}, "port": port, "tls": tls.model_dump(), "check_with_envoy": False}
    )

    def ask(service: str, client: dict[str, str]) -> tuple[HeldIdentity, CollectorRegistry, asyncio.Task[None]]:
        held, registry = HeldIdentity(), CollectorRegistry()
        control = ControlConfig.model_validate({"address": f"127.0.0.1:{port}", **client})
        source = FromControl(control, "host-1", service, random.Random(1), AgentMetrics(registry))
        return held, registry, asyncio.create_task(source.run(held.put))

    async with Control(config, tmp_path / "control", CollectorRegistry(), clock.system):
        front, _, task = ask("front", shown(tmp_path, "front"))
        async with asyncio.timeout(DEADLINE):
            assert (await front.other_than(None)).spiffe_id == f"spiffe://{DOMAIN}/ns/default/sa/front"
        task.cancel()
        for service, client in (
            ("pay", shown(tmp_path, "front")),  # another's identity
            ("front", shown(tmp_path, "other")),  # the right name, by a CA that is not known
            ("front", {"ca": str(tmp_path / "ca.pem")}),  # no certificate
            ("front", {}),  # plain text
        ):
            held, registry, task = ask(service, client)
            await until(lambda: registry.get_sample_value("spanloom_agent_identity_failures_total"))  # noqa: B023
            assert held.current is None
            task.cancel()
        assert tls.client_ca is not None
        write_private(tls.client_ca, (tmp_path / "others.pem").read_bytes())  # another root: connections that come later
        held, _, task = ask("front", shown(tmp_path, "other"))
        async with asyncio.timeout(DEADLINE):
            assert (await held.other_than(None)).spiffe_id == f"spiffe://{DOMAIN}/ns/default/sa/front"
        task.cancel()
