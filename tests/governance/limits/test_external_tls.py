"""TLS from Envoy to who counts limits: gRPC's own TLS on the other side, by requests through Envoy."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from components.durations import HOUR, SECOND
from components.spiffe import spiffe_id
from governance.compile.site import LimitTls, Options
from governance.config import ControlPlaneConfig
from governance.limits.service import LimitService
from governance.limits.windows import Windows
from governance.metrics import ControlMetrics
from governance.svid.authority import Authority
from governance.xds.server import XdsServer
from spanloom import clock
from spanloom.process.control import _options
from telemetry.errors import UnrecoverableError
from tests.governance.mesh import Connection, Mesh, needs_envoy
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DOMAIN = "shop.test"
NOW = 1_900_000_000 * SECOND // HOUR * HOUR
LIMITED = """
services: [{name: pay}]
limits: [{name: most, service: pay, scope: fleet, requests: 5, per: 1h, match: {prefix: /x}}]
"""
PASS, COUNTED = Counter({200: 8}), Counter({200: 5, 429: 3})


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its certificate, PEM."""

    key: str
    certificate: str


def pair(authority: trustme.CA, name: str) -> Pair:
    leaf = authority.issue_cert(name)
    return Pair(leaf.private_key_pem.bytes().decode(), leaf.cert_chain_pems[0].bytes().decode())


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@asynccontextmanager
async def counting(own: Pair, client_ca: str) -> AsyncIterator[tuple[int, CollectorRegistry]]:
    """A service of the RLS protocol that speaks TLS alone; its port, and what it counts about itself."""
    registry = CollectorRegistry()
    service = LimitService(Windows(100), ControlMetrics(registry), lambda: NOW)
    chain, roots = [(own.key.encode(), own.certificate.encode())], client_ca.encode() or None
    credentials = grpc.ssl_server_credentials(chain, roots, require_client_auth=bool(client_ca))
    async with XdsServer("127.0.0.1:0", [service.handler()], credentials) as server:
        yield server.port, registry


async def answers(folder: Path, port: int, tls: LimitTls | None, issuer: Authority | None = None) -> Counter[int]:
    """The statuses of eight requests on one connection, of which five are allowed."""
    options = Options(
        trust_domain=DOMAIN if issuer is not None else "",
        limit_deadline=10 * SECOND,
        limit_service=f"127.0.0.1:{port}",
        limit_tls=tls,
    )
    async with Mesh(folder, options=options, issuer=issuer, check=True) as mesh:
        pay, inbound = await mesh.upstream("pay"), free_port()
        await mesh.publish(LIMITED)
        await mesh.envoy("pay", inbound=inbound, address="127.0.0.1", application=pay.port)
        async with Connection(inbound) as kept:
            return Counter([(await kept.get("pay", "/x"))[0] for _ in range(8)])


def asked(registry: CollectorRegistry) -> float:
    """How many questions the service has answered."""
    return sum(registry.get_sample_value("spanloom_control_limit_requests_total", {"result": each}) or 0 for each in RESULTS)


RESULTS = ("let_in", "over", "unreadable")


async def test_envoy_shows_the_certificate_of_its_workload_and_asks_for_that_of_the_service(tmp_path: Path) -> None:
    needs_envoy()
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    svid = authority.issue("ratelimit", clock.system())
    async with counting(Pair(svid.key, svid.certificate), authority.bundle) as (port, registry):
        shown = LimitTls(spiffe_id(DOMAIN, "ratelimit"), identity=True)
        assert await answers(tmp_path / "one", port, shown, authority) == COUNTED
        assert asked(registry) == 8
        other = LimitTls(spiffe_id(DOMAIN, "payroll"), identity=True)
        assert await answers(tmp_path / "two", port, other, authority) == PASS, "it is somebody else"
        nothing = LimitTls(spiffe_id(DOMAIN, "ratelimit"))
        assert await answers(tmp_path / "three", port, nothing, authority) == PASS, "it shows no certificate"
        assert asked(registry) == 8


async def test_envoy_shows_a_configured_certificate_or_none(tmp_path: Path) -> None:
    needs_envoy()
    mine, other = trustme.CA(), trustme.CA()
    client, forged = pair(mine, "envoys.example"), pair(other, "envoys.example")
    async with counting(pair(mine, "ratelimit.example"), pem(mine)) as (port, registry):
        good = LimitTls("ratelimit.example", pem(mine), client.certificate, client.key)
        assert await answers(tmp_path / "one", port, good) == COUNTED
        for at, (wrong, why) in enumerate(
            (
                (LimitTls("ratelimit.example", pem(other), client.certificate, client.key), "another authority"),
                (LimitTls("elsewhere.example", pem(mine), client.certificate, client.key), "another name"),
                (
                    LimitTls("ratelimit.example", pem(mine), forged.certificate, forged.key),
                    "a certificate of another authority",
                ),
                (None, "no TLS"),
            )
        ):
            assert await answers(tmp_path / f"wrong-{at}", port, wrong) == PASS, why
        assert asked(registry) == 8
    async with counting(pair(mine, "127.0.0.1"), "") as (port, registry):
        assert await answers(tmp_path / "address", port, LimitTls("127.0.0.1", pem(mine))) == COUNTED
        assert asked(registry) == 8


def configured(**tls: object) -> ControlPlaneConfig:
    return ControlPlaneConfig.model_validate({"limits": {"service": "ratelimit.example:8081", "tls": tls}})


def test_the_settings_are_what_envoys_get(tmp_path: Path) -> None:
    mine = trustme.CA()
    client = pair(mine, "envoys.example")
    for name, text in (("ca", pem(mine)), ("certificate", client.certificate), ("key", client.key)):
        (tmp_path / name).write_text(text)
    files = {name: tmp_path / name for name in ("ca", "certificate", "key")}
    found = _options(configured(**files)).limit_tls
    assert found == LimitTls("ratelimit.example", pem(mine), client.certificate, client.key)
    assert client.key not in repr(found)
    named = _options(configured(ca=tmp_path / "ca", name="other.example")).limit_tls
    assert named == LimitTls("other.example", pem(mine))
    limits = {"service": "[::1]:8081", "tls": {"identity": True}}
    own = ControlPlaneConfig.model_validate({"limits": limits, "identity": {"trust_domain": DOMAIN}})
    assert _options(own).limit_tls == LimitTls("::1", identity=True)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"tls": {"ca": "ca.pem"}}, "name the service that it is for"),
        ({"service": "a:1", "tls": {}}, "there is no control.identity"),
        ({"service": "a:1", "tls": {"ca": "ca.pem", "identity": True}}, "there is no control.identity"),
        ({"service": "a:1", "tls": {"ca": "ca.pem", "certificate": "c.pem"}}, "belong together"),
    ],
    ids=["nobody", "no-authority", "no-identity", "no-key"],
)
def test_settings_that_cannot_be_are_refused(limits: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ControlPlaneConfig.model_validate({"limits": limits})


@pytest.mark.parametrize("content", [None, "nothing"], ids=["missing", "no-pem"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnrecoverableError, match=r"^control\.limits\.tls\.ca: .*ca\.pem: "):
        _options(configured(ca=path))
