"""Clients that break the protocol or tell nonsense: bounded, named, and nobody else notices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from components.xds.contract import NODE_METADATA
from governance import ads
from governance.ads import SERVICE
from governance.fleet import MAX_SESSIONS
from governance.xds.delta import DeltaStream
from governance.xds.snapshot import TYPE_URLS, Kind
from governance.xds.sotw import SotwStream
from governance.xds.stream import MAX_NAME, ProtocolError
from tests.governance.mesh import DEADLINE, Mesh, until
from tests.governance.xds.client import message

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.message import Message

SERVED: dict[str, object] = {"inbound": 9000, "application": 9001, "outbound": 9002}


class Hostile:
    """A stream of a client that says what it likes."""

    def __init__(self, mesh: Mesh, method: str = "StreamAggregatedResources") -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}", [("grpc.use_local_subchannel_pool", 1)])
        self.call = self.channel.stream_stream(f"/{SERVICE}/{method}")()

    async def first(self, node: str, service: str, place: dict[str, object], kind: Kind = Kind.CLUSTER) -> None:
        await self.call.write(request(node, service, place, kind).SerializeToString())

    async def answer(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return bytes(await self.call.read())

    async def end(self) -> tuple[grpc.StatusCode, str]:
        async with asyncio.timeout(DEADLINE):
            return await self.call.code(), await self.call.details()


def request(node: str, service: str, place: dict[str, object], kind: Kind) -> Message:
    return message(
        "DiscoveryRequest",
        type_url=TYPE_URLS[kind],
        node={"id": node, "cluster": service, "metadata": {NODE_METADATA: place}},
    )


async def served(mesh: Mesh) -> bool:
    """Whether an agent that comes now gets its clusters."""
    client = Hostile(mesh)
    await client.first("honest", "front", SERVED)
    found = await client.answer()
    await client.channel.close()
    return bool(found)


ODD: tuple[tuple[str, dict[str, object]], ...] = (
    ("Payment Service", SERVED),
    ("*", SERVED),
    ("a\nb\0", SERVED),
    ("x" * 5000, SERVED),
    ("pay", {**SERVED, "address": "fe80::1%eth0 or what"}),
    ("pay", {"inbound": 9000}),
    ("pay", {"inbound": 1e300, "labels": {"a": {"b": [None, 1.5, {}]}}, "address": []}),
)


async def test_what_agents_say_of_themselves_ends_no_control_plane_and_spoils_no_other(tmp_path: Path) -> None:
    async with Mesh(tmp_path, check=True) as mesh:
        odd = [Hostile(mesh) for _ in ODD]
        for number, (client, (service, place)) in enumerate(zip(odd, ODD, strict=True)):
            await client.first(f"odd-{number}", service, place)
            assert await client.answer(), service
        assert await served(mesh)
        await until(lambda: "front" in mesh.control.snapshots.instances, "who came is known to others")
        assert mesh.control.snapshots.instances.keys() == {"front", "pay"}
        await mesh.control.check("timeouts: [{name: t, service: pay, request: 1s}]", "x.yml")
        assert await served(mesh)
        for client in odd:
            await client.channel.close()


async def test_metadata_that_are_no_json_end_their_stream_alone(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh:
        odd = Hostile(mesh)
        await odd.first("odd", "pay", {"inbound": float("nan")})
        assert (await odd.end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert await served(mesh)
        await odd.channel.close()


async def test_streams_of_one_id_are_bounded(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh:
        many = [Hostile(mesh) for _ in range(MAX_SESSIONS + 1)]
        for each in many[:-1]:
            await each.first("one", "pay", SERVED)
            assert await each.answer()
        await many[-1].first("one", "pay", SERVED)
        code, reason = await many[-1].end()
        assert (code, str(MAX_SESSIONS) in reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        assert await served(mesh)
        for each in many:
            await each.channel.close()
        agent = mesh.control.fleet.find("one")
        await until(lambda: agent is not None and not agent.connected, "its streams are gone")


async def test_a_stream_that_says_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ads, "FIRST_SECONDS", 0.01)
    async with Mesh(tmp_path) as mesh:
        silent = Hostile(mesh)
        assert (await silent.end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        await silent.channel.close()


@pytest.mark.parametrize("body", [b"\xff" * 50, b"", b"x" * (5 << 20)])
async def test_what_is_no_request_ends_its_stream_alone(tmp_path: Path, body: bytes) -> None:
    async with Mesh(tmp_path) as mesh:
        odd = Hostile(mesh)
        await odd.call.write(body)
        assert (await odd.end())[0] in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert await served(mesh)
        await odd.channel.close()


@pytest.mark.parametrize("new", [SotwStream, DeltaStream])
def test_a_name_is_bounded(new: type[SotwStream | DeltaStream]) -> None:
    delta = new is DeltaStream
    name, field = ("DeltaDiscoveryRequest", "resource_names_subscribe") if delta else ("DiscoveryRequest", "resource_names")
    long = message(name, type_url=TYPE_URLS[Kind.ENDPOINTS], **{field: ["x" * (MAX_NAME + 1)]})
    with pytest.raises(ProtocolError, match="at most"):
        new().request(long.SerializeToString(), None)
