"""The Workload API that an agent serves, asked by SPIFFE's own client for Python and by callers that may not."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry
from spiffe import WorkloadApiClient, X509Source
from spiffe._proto import workload_pb2

from agent.agent import check
from agent.config import AgentConfig
from agent.metrics import AgentMetrics
from agent.workload_api.endpoint import MAX_STREAMS, WorkloadEndpoint
from agent.workload_api.identity import HeldIdentity, X509Identity, from_pem, from_svid, split
from agent.workload_api.messages import HEADER, Svid, bundles_response, read_svids, svids_response
from agent.workload_api.workloads import Workloads
from components.durations import HOUR, SECOND
from governance.compile.site import Options
from governance.svid.authority import Authority
from spanloom import clock
from telemetry.errors import ConfigError, InputError
from tests.agent.traffic import running
from tests.governance.mesh import DEADLINE, Mesh, needs_envoy, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

DOMAIN = "shop.test"
FRONT = f"spiffe://{DOMAIN}/ns/default/sa/front"


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, as that of a socket has to be."""
    with tempfile.TemporaryDirectory(prefix="spanloom-", dir="/tmp") as made:  # where other users pass
        Path(made).chmod(0o711)
        yield Path(made)


class Beside:
    """What an agent runs for workloads beside it, without its Envoy."""

    def __init__(self, config: AgentConfig, shift: int = 0) -> None:
        self.shift = shift
        self._registry = CollectorRegistry()
        metrics = AgentMetrics(self._registry)
        assert config.identity is not None
        self.workloads = Workloads(config, config.identity, self.now, random.Random(1), metrics, lambda _: None)

    def now(self) -> int:
        return clock.system() + self.shift

    async def __aenter__(self) -> Self:
        await self.workloads.__aenter__()
        self._task = asyncio.create_task(self.workloads.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        await self.workloads.__aexit__()

    def counted(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"spanloom_agent_{name}", labels) or 0.0


def config(port: int, *sockets: dict[str, object]) -> AgentConfig:
    written = {"service": "front", "control": {"address": f"127.0.0.1:{port}"}, "identity": {"sockets": sockets}}
    return AgentConfig.model_validate(written)


@asynccontextmanager
async def endpoint(path: Path, identity: HeldIdentity, registry: CollectorRegistry) -> AsyncIterator[None]:
    sockets = config(1, {"path": path}).identity
    assert sockets is not None
    async with WorkloadEndpoint(sockets.sockets[0], identity, clock.system, AgentMetrics(registry)):
        yield


def some_identity(authority: Authority, service: str = "front") -> X509Identity:
    svid = authority.issue(service, clock.system())
    return from_pem(svid.certificate, svid.key, authority.bundle)


async def test_spiffes_own_client_has_its_identity_and_each_new_one_without_asking(tmp_path: Path, folder: Path) -> None:
    shift = [0]

    def now() -> int:
        return clock.system() + shift[0]

    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, now())
    front, other = folder / "front.sock", folder / "other.sock"
    async with Mesh(tmp_path, options=Options(trust_domain=DOMAIN), issuer=authority, now=now) as mesh:
        settings = config(mesh.port, {"path": front}, {"path": other, "service": "shop/other"})
        async with Beside(settings) as beside:

            def fetch(path: Path) -> tuple[str, bytes]:
                with WorkloadApiClient(f"unix:{path}") as client:
                    svid = client.fetch_x509_svid(timeout=DEADLINE)
                    bundles = client.fetch_x509_bundles(timeout=DEADLINE)
                    (root,) = next(iter(bundles.bundles)).x509_authorities
                    svid.leaf.verify_directly_issued_by(root)
                    return str(svid.spiffe_id), svid.leaf.fingerprint(svid.leaf.signature_hash_algorithm)  # type: ignore[arg-type]

            await until(lambda: beside.counted("identities_total", result="used") >= 2, "both have come")
            assert (await asyncio.to_thread(fetch, front))[0] == FRONT
            assert (await asyncio.to_thread(fetch, other))[0] == f"spiffe://{DOMAIN}/ns/shop/sa/other"
            assert await asyncio.to_thread(fetch, front) == await asyncio.to_thread(fetch, front)

            def rotated() -> None:
                changed = threading.Event()
                with X509Source(socket_path=f"unix:{front}", timeout_in_seconds=DEADLINE) as source:
                    before = source.get_x509_context().default_svid
                    source.subscribe_for_updates(changed.set)
                    shift[0] = HOUR // 2 + SECOND
                    assert changed.wait(DEADLINE)
                    after = source.get_x509_context().default_svid
                    assert after.spiffe_id == before.spiffe_id
                    assert after.leaf.public_key() != before.leaf.public_key()
                    assert after.leaf.not_valid_after_utc > before.leaf.not_valid_after_utc

            await asyncio.to_thread(rotated)
            await mesh.stop()  # what was handed out goes on being handed out, for as long as it is valid
            assert (await asyncio.to_thread(fetch, front))[0] == FRONT
            assert beside.counted("identities_total", result="refused") == 0
            beside.shift = shift[0] + 2 * HOUR
            async with grpc.aio.insecure_channel(f"unix:{front}") as channel:
                with pytest.raises(grpc.aio.AioRpcError, match="no valid identity") as refused:
                    await channel.unary_stream("/SpiffeWorkloadAPI/FetchX509SVID")(b"", metadata=[HEADER]).read()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            await mesh.start()
            ends = beside.counted("identity_expires_seconds", service="front")
            shift[0] += HOUR
            await until(lambda: beside.counted("identity_expires_seconds", service="front") > ends, "a new one comes")
    assert not front.exists()


async def test_an_agent_serves_it_beside_its_envoy(tmp_path: Path, folder: Path) -> None:
    needs_envoy()
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    async with Mesh(tmp_path / "control", options=Options(trust_domain=DOMAIN), issuer=authority) as mesh:
        settings: dict[str, object] = {"service": "front", "outbound": {"port": free_port()}}
        settings["control"] = {"address": f"127.0.0.1:{mesh.port}"}
        settings["identity"] = {"sockets": [{"path": str(folder / "s")}]}
        async with running(tmp_path / "agent", clock.system, **settings) as agent:
            await until(lambda: agent.metric("spanloom_agent_identities_total", result="used") >= 1, "it has come")

            def fetch() -> str:
                with WorkloadApiClient(f"unix:{folder / 's'}") as client:
                    return str(client.fetch_x509_svid(timeout=DEADLINE).spiffe_id)

            assert await asyncio.to_thread(fetch) == FRONT
    assert not (folder / "s").exists()


async def test_callers_that_break_the_rules_are_refused_and_counted(tmp_path: Path, folder: Path) -> None:
    path, registry, held = folder / "s", CollectorRegistry(), HeldIdentity()
    held.put(some_identity(Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())))
    method = "/SpiffeWorkloadAPI/FetchX509SVID"
    async with endpoint(path, held, registry), grpc.aio.insecure_channel(f"unix:{path}") as channel:
        for metadata in ([], [(HEADER[0], "false")], [(HEADER[0], "TRUE")], [HEADER, HEADER]):
            for name in (method, "/SpiffeWorkloadAPI/FetchX509Bundles"):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await channel.unary_stream(name)(b"", metadata=metadata).read()
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for jwt in ("FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_stream(f"/SpiffeWorkloadAPI/{jwt}")(b"", metadata=[HEADER]).read()
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_stream(method)(b"x" * (1 << 17), metadata=[HEADER]).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

        channels = [grpc.aio.insecure_channel(f"unix:{path}", (("grpc.use_local_subchannel_pool", 1),)) for _ in range(2)]
        half = MAX_STREAMS // 2
        calls = [each.unary_stream(method)(b"", metadata=[HEADER]) for each in channels for _ in range(half)]
        assert all(await asyncio.gather(*(call.read() for call in calls)))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_stream(method)(b"", metadata=[HEADER]).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for each in channels:
            await each.close()

    def counted(result: str) -> float | None:
        return registry.get_sample_value("spanloom_agent_workload_calls_total", {"result": result})

    assert (counted("no_header"), counted("too_many"), counted("served")) == (8, 1, MAX_STREAMS)


async def test_the_rights_of_the_socket_are_whose_identity_it_is(tmp_path: Path, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: processes of other users are started")
    held = HeldIdentity()
    held.put(some_identity(Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())))
    written = {"sockets": [{"path": folder / "own", "user": 4001}, {"path": folder / "both", "user": 4001, "group": 4009}]}
    sockets = AgentConfig.model_validate({"service": "front", "identity": written}).identity
    assert sockets is not None

    async def opens(user: int, group: int, path: Path) -> bool:
        become = f"os.setgroups([]); os.setgid({group}); os.setuid({user})"  # once it runs: its program may be root's alone
        code = f"import os, socket; {become}; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", code, stderr=subprocess.PIPE)
        _, said = await process.communicate()
        assert process.returncode == 0 or b"PermissionError" in said, said
        return process.returncode == 0

    metrics = AgentMetrics(CollectorRegistry())
    own, both = (WorkloadEndpoint(each, held, clock.system, metrics) for each in sockets.sockets)
    async with own, both:
        found = [
            await opens(user, group, folder / name)
            for user, group, name in (
                (4001, 4001, "own"),
                (4002, 4001, "own"),
                (4002, 4009, "own"),
                (4001, 4001, "both"),
                (4002, 4009, "both"),
                (4002, 4002, "both"),
            )
        ]
    assert found == [True, False, False, True, True, False]


async def test_a_socket_is_not_put_where_others_could_replace_it_nor_over_a_file(folder: Path) -> None:
    held, registry = HeldIdentity(), CollectorRegistry()
    (folder / "file").write_text("mine")
    with pytest.raises(ConfigError, match="something else is there"):
        await endpoint(folder / "file", held, registry).__aenter__()
    assert (folder / "file").read_text() == "mine"
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    with pytest.raises(ConfigError, match="others can write to its folder"):
        await endpoint(folder / "open" / "s", held, CollectorRegistry()).__aenter__()
    with pytest.raises(ConfigError, match="longer than 80 bytes"):
        await endpoint(folder / ("x" * 80), held, CollectorRegistry()).__aenter__()
    made = folder / "new" / "deep" / "s"
    async with endpoint(made, held, CollectorRegistry()):
        assert made.stat().st_mode & 0o777 == 0o600
        async with endpoint(made, held, CollectorRegistry()):  # what one that was killed left is replaced
            pass
    assert list(made.parent.iterdir()) == []
    alone = AgentConfig.model_validate({"service": "a", "outbound": {"port": 1}, "identity": {"sockets": [{"path": made}]}})
    with pytest.raises(ConfigError, match=r"needs agent\.control"):
        check(alone)


def test_messages_are_those_of_spiffe() -> None:
    svid = Svid(FRONT, b"certificates", b"key", b"bundle")
    theirs = workload_pb2.X509SVIDResponse.FromString(svids_response(svid))
    (one,) = theirs.svids
    assert (one.spiffe_id, one.x509_svid, one.x509_svid_key, one.bundle) == svid
    theirs.federated_bundles["spiffe://other.test"] = b"x"
    theirs.crl.append(b"y")
    theirs.svids[0].hint = "internal"
    assert read_svids(theirs.SerializeToString()) == [svid]
    bundles = workload_pb2.X509BundlesResponse.FromString(bundles_response({f"spiffe://{DOMAIN}": b"roots"}))
    assert dict(bundles.bundles) == {f"spiffe://{DOMAIN}": b"roots"}
    with pytest.raises(InputError, match="no X509SVIDResponse"):
        read_svids(b"\xff\xff")


def test_what_is_no_identity_is_not_used(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    good, other = some_identity(authority), some_identity(authority)
    assert from_svid(good.svid) == good
    assert from_pem(good.chain_pem, good.key_pem, good.bundle_pem) == good
    root = authority.own.decode()
    for svid, why in (
        (good.svid._replace(x509_svid_key=other.key), "not that of the certificate"),
        (good.svid._replace(x509_svid_key=b"0"), "cannot be read"),
        (good.svid._replace(x509_svid=b""), "without a certificate"),
        (good.svid._replace(bundle=b""), "without a certificate, or without one to trust"),
        (good.svid._replace(spiffe_id=FRONT + "s"), "a certificate of"),
        (good.svid._replace(x509_svid=good.chain[0][:-1]), "cut off"),
        (good.svid._replace(x509_svid=good.chain[0] + b"\x30"), "no DER"),
        (good.svid._replace(x509_svid=b"\x31\x00"), "no DER"),
        (good.svid._replace(x509_svid=b"\x30\x00"), "cannot be read"),
        (good.svid._replace(x509_svid=b"\x30\xff" + bytes(200)), "cut off"),
        (good.svid._replace(bundle=bytes(2 << 20)), "at most"),
    ):
        with pytest.raises(InputError, match=why):
            from_svid(svid)
    with pytest.raises(InputError, match="and can sign"):
        from_pem(root[root.index("-----BEGIN CERT") :], root[: root.index("-----BEGIN CERT")], authority.bundle)
    assert split(b"".join((*good.chain, *good.bundle))) == [*good.chain, *good.bundle]
