"""Who is let in: by mTLS through the real Envoy, with identities that are ours, foreign, forged or expired."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from components.durations import HOUR, SECOND
from governance.ads import SERVICE, Ads
from governance.compile.site import Options
from governance.svid.admission import ByCertificate
from governance.svid.authority import Authority, Svid
from governance.svid.discovery import SecretDiscovery
from governance.svid.secrets import Secrets
from governance.svid.streams import SecretStreams
from governance.xds.server import XdsServer
from governance.xds.snapshot import TYPE_URLS, Kind
from spanloom import clock
from telemetry.errors import ConfigError
from tests.governance.mesh import DEADLINE, Connection, Mesh, until
from tests.governance.xds.client import message, name_of
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"
ADS = f"/{SERVICE}/StreamAggregatedResources"
SDS = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"
GUARDED = """
mtls: [{name: proven, service: pay, mode: strict}]
authorization:
  - {name: readers, service: pay, allow: [{callers: [front], match: {prefix: /pay, methods: [GET]}}]}
"""


def context(folder: Path, name: str, svid: Svid | None, bundle: str) -> ssl.SSLContext:
    """A client's side of TLS."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = False
    found.load_verify_locations(cadata=bundle)
    if svid is not None:
        (folder / f"{name}.pem").write_text(svid.key + svid.certificate)
        found.load_cert_chain(folder / f"{name}.pem")
    return found


async def status_of(port: int, tls: ssl.SSLContext | None, path: str = "/pay") -> int | None:
    """The status of a request straight to a service; None where the handshake is refused."""
    try:
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: pay\r\nconnection: close\r\n\r\n".encode())
            head = await reader.readline()
            writer.close()
    except (ssl.SSLError, ConnectionError):
        return None
    return int(head.split()[1]) if head else None


async def test_only_who_proves_its_identity_may_do_what_it_is_allowed_and_rotation_fails_no_request(tmp_path: Path) -> None:
    offset = [0]

    def now() -> int:
        return clock.system() + offset[0]

    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, now())
    foreign = Authority(tmp_path / "foreign.pem", DOMAIN, HOUR, now())
    async with Mesh(tmp_path, options=Options(trust_domain=DOMAIN), issuer=authority, now=now, check=True) as mesh:
        upstream = await mesh.upstream("pay")
        inbound, front, thief = free_port(), free_port(), free_port()
        await mesh.publish("services: [{name: pay}]")
        await mesh.envoy("pay", inbound=inbound, address="127.0.0.1", application=upstream.port)
        await mesh.envoy("front", outbound=front)
        await mesh.envoy("thief", outbound=thief, delta=True)
        async with Connection(front) as kept, Connection(thief) as other, Connection(inbound) as plain:
            async with asyncio.timeout(DEADLINE):
                while {await kept.get("pay", "/pay"), await other.get("pay", "/adm")} != {(200, "pay")}:
                    pass
            assert upstream.seen[-1]["x-forwarded-client-cert"].endswith(f"uri=spiffe://{DOMAIN}/ns/default/sa/thief")
            assert (await plain.get("pay", "/pay"))[0] == 200  # permissive, until a policy says otherwise

            await mesh.publish("services: [{name: pay}]" + GUARDED)
            assert await kept.get("pay", "/pay/1") == (200, "pay")
            assert (await kept.get("pay", "/pay/1", "POST"))[0] == 403
            assert (await kept.get("pay", "/adm"))[0] == 403
            assert (await other.get("pay", "/pay/1"))[0] == 403
            assert (await plain.get("pay", "/pay"))[0] == 403
            assert (await plain.get("pay", "/pay", x_forwarded_client_cert=f"URI=spiffe://{DOMAIN}/ns/default/sa/front"))[
                0
            ] == 403

            mine, late = authority.issue("front", now()), authority.issue("front", now() - 3 * HOUR)
            theirs = foreign.issue("front", now())
            for name, svid, expected in (
                ("mine", mine, 200),
                ("late", late, None),
                ("theirs", theirs, None),
                ("none", None, None),
            ):
                tls = context(tmp_path, name, svid, authority.bundle)
                assert await status_of(inbound, tls) == expected, name

            stop, found = asyncio.Event(), Counter[int]()

            async def load() -> None:
                async with Connection(front) as one:
                    while not stop.is_set():
                        found[(await one.get("pay", "/pay"))[0]] += 1

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(load()) for _ in range(4)]
                before = found.total()
                for rotation in range(3):
                    offset[0] += HOUR // 2 + SECOND
                    assert mesh.control.identities is not None
                    secrets = mesh.control.identities.secrets
                    await until(lambda: secrets.renewed >= 3 * (rotation + 1), "all have new ones")  # noqa: B023
                    await until(lambda: found.total() > before + 50 * (rotation + 1), "requests go on")  # noqa: B023
                stop.set()
            assert len(tasks) == 4
            assert found.keys() == {200}


def test_a_certificate_names_the_workload_and_lives_as_long_as_asked(tmp_path: Path) -> None:
    now = 1_900_000_000 * SECOND
    authority = Authority(tmp_path / "new" / "authority.pem", DOMAIN, HOUR, now)
    assert (tmp_path / "new" / "authority.pem").stat().st_mode & 0o077 == 0
    svid = authority.issue("shop/pay", now)
    read = x509.load_pem_x509_certificate(svid.certificate.encode())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://{DOMAIN}/ns/shop/sa/pay"]
    assert read.not_valid_after_utc.timestamp() == (now + HOUR) // SECOND
    assert (svid.renew_at, svid.expires) == (now + HOUR // 2, now + HOUR)
    root = x509.load_pem_x509_certificate(authority.bundle.encode())
    read.verify_directly_issued_by(root)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    again = Authority(tmp_path / "new" / "authority.pem", DOMAIN, HOUR, now)
    assert again.bundle == authority.bundle
    assert again.issue("pay", now).key != again.issue("pay", now).key


def test_the_file_of_another_authority_or_of_none_is_not_used(tmp_path: Path) -> None:
    Authority(tmp_path / "a.pem", DOMAIN, HOUR, clock.system())
    with pytest.raises(ConfigError, match=r"the authority of spiffe://shop\.test, not of spiffe://other\.test"):
        Authority(tmp_path / "a.pem", "other.test", HOUR, clock.system())
    (tmp_path / "b.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="not the key and certificate of an authority"):
        Authority(tmp_path / "b.pem", DOMAIN, HOUR, clock.system())


async def test_an_agent_gets_the_keys_of_the_service_alone_that_its_certificate_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    ca = trustme.CA()
    server = ca.issue_cert("localhost")
    pair = (server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], authority.bundle.encode(), require_client_auth=True)
    async with Mesh(tmp_path, options=Options(trust_domain=DOMAIN), issuer=authority) as mesh:
        assert mesh.control.identities is not None
        streams, admission = mesh.control.identities.streams, ByCertificate(DOMAIN)
        both = [
            Ads(mesh.control.fleet, mesh.metrics, admission).handler(),
            SecretDiscovery(streams, mesh.metrics, admission).handler(),
        ]
        svid = authority.issue("front", clock.system())
        client = grpc.ssl_channel_credentials(ca.cert_pem.bytes(), svid.key.encode(), svid.certificate.encode())
        async with XdsServer("localhost:0", both, credentials) as secure, XdsServer("127.0.0.1:0", both) as plain:
            async with grpc.aio.secure_channel(f"localhost:{secure.port}", client) as channel:
                for method in (ADS, SDS):
                    assert await secrets_of(channel, "front", method) == {"workload", "trust"}
                    with pytest.raises(
                        grpc.aio.AioRpcError, match=r"has to show a certificate of .*/sa/pay; it shows .*/sa/front"
                    ):
                        await secrets_of(channel, "pay", method)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{plain.port}") as channel:
                for method in (ADS, SDS):
                    with pytest.raises(grpc.aio.AioRpcError, match="it shows none"):
                        await secrets_of(channel, "front", method)
        assert mesh.registry.get_sample_value("spanloom_control_closed_streams_total", {"reason": "identity"}) == 4


async def test_streams_of_secrets_have_bounds(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    async with Mesh(tmp_path, options=Options(trust_domain=DOMAIN), issuer=authority) as mesh:
        streams = SecretStreams(Secrets(authority), clock.system, 2)
        handler = SecretDiscovery(streams, mesh.metrics).handler()
        async with (
            XdsServer("127.0.0.1:0", [handler]) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            node = {"id": "1", "cluster": "pay"}
            for fields, why in (
                ({"node": {"id": "1"}}, "node.cluster has to be the service"),
                ({"node": {"id": "1", "cluster": "x" * 201}}, "at most 200"),
                ({"node": node, "resource_names": ["x" * 1001]}, "1001 characters"),
                ({"node": node, "type_url": TYPE_URLS[Kind.CLUSTER]}, "secrets alone"),
            ):
                call = channel.stream_stream(SDS)()
                await call.write(message("DiscoveryRequest", **fields).SerializeToString())
                with pytest.raises(grpc.aio.AioRpcError, match=why):
                    await call.read()
            calls = [channel.stream_stream(SDS)() for _ in range(3)]
            for call in calls[:2]:
                await call.write(message("DiscoveryRequest", node=node, resource_names=["trust"]).SerializeToString())
                assert await call.read()
            await calls[2].write(message("DiscoveryRequest", node=node).SerializeToString())
            with pytest.raises(grpc.aio.AioRpcError, match="2 streams of secrets are open"):
                await calls[2].read()
            assert not streams.acknowledged
            for call in calls:
                call.cancel()
            await until(lambda: streams.acknowledged, "streams that have ended are dropped")
        assert mesh.registry.get_sample_value("spanloom_control_closed_streams_total", {"reason": "overloaded"}) == 1


async def secrets_of(channel: grpc.aio.Channel, service: str, method: str) -> set[str]:
    """The secrets that an agent of a service is given."""
    call = channel.stream_stream(method)()
    fields = {"type_url": TYPE_URLS[Kind.SECRET], "resource_names": ["workload", "trust"]}
    request = message("DiscoveryRequest", node={"id": f"{service}-1", "cluster": service}, **fields)
    await call.write(request.SerializeToString())
    answer = message("DiscoveryResponse")
    answer.ParseFromString(await call.read())
    call.cancel()
    return {name_of(Kind.SECRET, each.value) for each in answer.resources}  # type: ignore[attr-defined]
