"""Interception by nftables in network namespaces of the test's own: what passes, and what is left when processes are killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme

from components.xds.program import envoy_program
from tests.agent.intercept import server
from tests.agent.traffic import alive, children, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

CLIENT, SERVER = f"spl{os.getpid()}a", f"spl{os.getpid()}b"
CLIENT_V4, SERVER_V4, CLIENT_V6, SERVER_V6 = "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"
MODULES = "tests.agent.intercept."


def _missing() -> str:
    if envoy_program() is None:
        return "no Envoy: its wheel is for Linux on x86-64 and aarch64"
    if os.geteuid() != 0:
        return "NOT ROOT: interception needs network namespaces and nftables"
    return "".join(f"NO {tool}: install nftables and iproute2" for tool in ("ip", "nft") if shutil.which(tool) is None)


pytestmark = [pytest.mark.skipif(bool(_missing()), reason=_missing()), pytest.mark.system]


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def attempt(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def namespaces() -> Iterator[None]:
    """Two hosts on a cable."""
    try:
        run("ip", "netns", "add", CLIENT)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NO NAMESPACES: {error.stderr}")
    try:
        owner = attempt("ip", "netns", "exec", CLIENT, "nft", "add table inet probe { flags owner; }")
        if owner.returncode:
            pytest.skip(f"NO NFTABLES with owned tables (Linux 5.12): {owner.stderr}")
        run("ip", "netns", "add", SERVER)
        run("ip", "link", "add", "veth0", "netns", CLIENT, "type", "veth", "peer", "name", "veth0", "netns", SERVER)
        for name, v4, v6 in ((CLIENT, CLIENT_V4, CLIENT_V6), (SERVER, SERVER_V4, SERVER_V6)):
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "veth0", "up")
            run("ip", "-n", name, "addr", "add", f"{v4}/24", "dev", "veth0")
            run("ip", "-n", name, "addr", "add", f"{v6}/64", "dev", "veth0", "nodad")
        yield
    finally:
        for name in (CLIENT, SERVER):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Process:
    """A Python module in a namespace; its lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def line(self) -> str:
        assert self.process.stdout is not None
        found = await asyncio.wait_for(self.process.stdout.readline(), 90)
        assert found, "it ended"
        return found.decode().strip()


@asynccontextmanager
async def module(namespace: str, name: str, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, sys.executable, "-m", MODULES + name, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def agent(namespace: str, data: Path, **settings: object) -> AsyncIterator[Process]:
    told = {"service": "shop", "intercept": {}, "collector": {"address": "127.0.0.1:9"}, "node": namespace, **settings}
    async with module(namespace, "run_agent", str(data), json.dumps(told)) as process:
        yield process


def ruleset(namespace: str) -> str:
    return run("ip", "netns", "exec", namespace, "nft", "list", "ruleset").strip()


def reached(host: str, port: int) -> bool:
    """Whether a connection past the client's agent is opened; its group is one that interception leaves alone."""
    connect = f"import socket; socket.create_connection(('{host}', {port}), 60)"
    command = ("setpriv", "--regid", "1337", "--clear-groups", sys.executable, "-c", connect)
    answer = attempt("ip", "netns", "exec", CLIENT, *command)
    assert answer.returncode == 0 or "ConnectionRefusedError" in answer.stderr, answer.stderr
    return answer.returncode == 0


async def counters(data: Path) -> dict[str, int]:
    """Envoy's own, over its socket, which namespaces of networks do not divide."""
    admin = (data / "run-folder").read_text() + "/envoy/admin-0"
    async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=admin)) as client:
        text = (await client.get("http://envoy/stats?filter=_total", timeout=60)).text
    return {name: int(value) for name, _, value in (line.partition(": ") for line in text.splitlines()) if value.isdigit()}


async def test_every_protocol_passes_both_ways_over_both_families_with_its_content(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("server.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    client_data, server_data = tmp_path / "client", tmp_path / "server"
    with namespaces():
        async with (
            module(SERVER, "server", str(tmp_path / "server.pem")) as listening,
            agent(CLIENT, client_data, intercept={"inbound": False}) as first,
        ):
            only = {"outbound": False, "closed_ports": [server.BINARY]}
            async with agent(SERVER, server_data, intercept=only, service="pay") as second:
                assert await listening.line() == "up"
                await first.line()
                await second.line()
                hosts = (SERVER_V4, f"[{SERVER_V6}]")
                async with module(CLIENT, "client", str(tmp_path / "ca.pem"), *hosts) as client:
                    found = json.loads(await client.line())
                for host in hosts:
                    one, two = found.pop(f"http {host}")
                    assert (one["path"], two["path"]) == ("/one", "/two")
                    assert {"x-request-id", "traceparent"} <= set(one["headers"]), "Envoy adds them"
                    assert found.pop(f"websocket {host}") == "ws 'hello'"
                    assert found.pop(f"grpc {host}") == "cba"
                    assert found.pop(f"tls {host}") == "terces"
                    assert found.pop(f"server_first {host}") == "220 mail ready\r\n250 HELO me\r\n"
                    assert found.pop(f"binary {host}") == bytes(range(256))[::-1].hex()
                assert found == {}
                for data, side in ((client_data, "outbound"), (server_data, "inbound")):
                    seen = await counters(data)
                    assert seen[f"http.{side}.downstream_rq_total"] == 8, (
                        "per family two of HTTP, one of WebSocket, one of gRPC"
                    )
                    assert seen[f"http.{side}.downstream_cx_http2_total"] == 2
                    assert seen[f"tcp.{side}_tls.downstream_cx_total"] == 2
                    assert seen[f"tcp.{side}_other.downstream_cx_total"] == 4
                # The port of Envoy itself is closed to who was not redirected there.
                assert not reached(SERVER_V4, 15006)
                assert not reached(SERVER_V6, 15006)
                assert "flags owner" in ruleset(CLIENT)
            # Without the agent the server is reached directly, but for the port that is closed then.
            assert "redirect" not in ruleset(SERVER)
            assert reached(SERVER_V4, server.HTTP)
            assert reached(SERVER_V6, server.HTTP)
            assert not reached(SERVER_V4, server.BINARY)
            assert not reached(SERVER_V6, server.BINARY)
            run("ip", "netns", "exec", SERVER, sys.executable, "-m", "spanloom.cli", "agent", "intercept", "--open")
            assert reached(SERVER_V4, server.BINARY)
        assert ruleset(CLIENT) == ruleset(SERVER) == ""


@pytest.mark.timeout(300)
async def test_no_kill_leaves_a_rule_behind_and_traffic_flows(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("server.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with namespaces():
        async with (
            module(SERVER, "server", str(tmp_path / "server.pem")) as listening,
            agent(CLIENT, tmp_path / "data") as guard,
        ):
            assert await listening.line() == "up"
            envoy = int(await guard.line())
            async with module(CLIENT, "probe", SERVER_V4, str(server.HTTP)) as probe:
                await probe.line()
                await asyncio.sleep(0.5)
                # Another process cannot remove the rules.
                delete = ("nft", "delete", "table", "inet", "spanloom")
                assert attempt("ip", "netns", "exec", CLIENT, *delete).returncode != 0
                os.kill(envoy, signal.SIGKILL)
                again = int(await guard.line())
                assert again != envoy
                assert "redirect" in ruleset(CLIENT)
                # The process that holds the rules: they are set again.
                (holder,) = [one for one in children(guard.pid) if one != again]
                os.kill(holder, signal.SIGKILL)
                assert int(await guard.line()) == again
                assert "redirect" in ruleset(CLIENT)
                await asyncio.sleep(0.5)
                # The guard, and the relay in it.
                os.kill(guard.pid, signal.SIGKILL)
                await until(lambda: not alive(again) and ruleset(CLIENT) == "")
                await asyncio.sleep(0.5)
                assert probe.process.stdin is not None
                probe.process.stdin.close()
                counted: dict[str, Any] = json.loads(await probe.line())
    sys.stderr.write(f"{counted}\n")
    assert counted["answered"] >= 10, "of several hundred on a machine that has time"
    assert counted["failed"] <= 50, "two or three are usual; the bound is for a busy machine"
