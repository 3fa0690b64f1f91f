"""Whatever fails in a running process, its exit code says whether to start it again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from structlog.testing import capture_logs

from components.sockets.acceptor import ListenError
from spanloom import clock
from spanloom.config import load_config
from spanloom.process import exit_codes
from spanloom.process.exit_codes import CRASHED
from spanloom.roles.process import Process
from telemetry import otlp
from telemetry.errors import ConfigError, OverloadedError, SpanloomError, StoreError, UnrecoverableError
from tests.generated import traces
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)


async def ended(folder: Path, fault: str) -> int:
    """The exit code of a process with a fault, which is sent a trace."""
    http = free_port(1, 2)
    addresses = {"HTTP": http, "GRPC": http + 1}
    environment = {
        **os.environ,
        **{f"SPANLOOM_OTLP_{name}": f"127.0.0.1:{port}" for name, port in addresses.items()},
        "SPANLOOM_CONSOLE": f"127.0.0.1:{http + 2}",
        "SPANLOOM_DATA_DIR": str(folder),
    }
    command = [sys.executable, "-m", "tests.spanloom.failing_role", fault]
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    ending = asyncio.ensure_future(process.wait())
    body = otlp.encode_spans(next(traces(1)))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{http}", trust_env=False) as client:
        sent = False
        while not (ending.done() or sent):
            with contextlib.suppress(httpx2.HTTPError):
                answer = await client.post("/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
                sent = answer.is_success
            await asyncio.wait({ending}, timeout=0.2)
    try:
        return await ending
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.system
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("pipeline.assemble:AssembleStage.handle", id="a stage at a record"),
        pytest.param("pipeline.assemble:AssembleStage.flush", id="a stage as time passes"),
        pytest.param("pipeline.act:ActStage.tick", id="alerting"),
        pytest.param("stores.duckdb.store:DuckDbStore.write", id="a write"),
        pytest.param("durable_log.partition:Partition.sync", id="the disk of the log"),
        pytest.param("durable_log.log:DurableLog.commit", id="a commit of offsets"),
        pytest.param("spanloom.roles.process:_retain", id="retention"),
    ],
)
async def test_a_process_that_fails_ends_with_70(tmp_path: Path, fault: str) -> None:
    async with asyncio.timeout(110):
        assert await ended(tmp_path, fault) == CRASHED


@pytest.mark.parametrize("error", [KeyError("x"), SpanloomError("x"), StoreError("x"), OverloadedError("x", 1)])
def test_what_may_pass_by_itself_is_70(error: Exception) -> None:
    async def failing() -> int:
        raise error

    assert exit_codes.run(failing()) == CRASHED


@pytest.mark.parametrize("error", [ConfigError("x"), UnrecoverableError("x")])
def test_what_a_person_has_to_change_is_for_the_command_line_to_say(error: Exception) -> None:
    async def failing() -> int:
        raise error

    with pytest.raises(type(error)):
        exit_codes.run(failing())


def taken(port: int) -> socket.socket | None:
    """Have the port; None where another has it already."""
    with contextlib.suppress(OSError):
        return socket.create_server(("127.0.0.1", port))
    return None


@pytest.mark.parametrize("console", [{}, {"host": "127.0.0.1"}, {"limits": {"max_connections": 10}}], ids=str)
async def test_probes_get_a_free_port_when_their_default_is_in_use(tmp_path: Path, console: dict[str, Any]) -> None:
    config = load_config(data_dir=tmp_path, console=console)
    holder = taken(config.console.port_or_default)
    try:
        async with Process(config) as process:
            with capture_logs() as said:
                await process.serve_probes(dict, clock.system)
            (url,) = (event["http"] for event in said if event["event"] == "ready")
            assert not url.endswith(f":{config.console.port_or_default}")
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"{url}/healthz")).status_code == 200
    finally:
        if holder is not None:
            holder.close()


async def test_a_port_that_was_asked_for_and_is_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        async with Process(load_config(data_dir=tmp_path, console=f"127.0.0.1:{port}")) as process:
            with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
                await process.serve_probes(dict, clock.system)


@pytest.mark.parametrize("console", ["127.0.0.1:8080", {"port": 8080}], ids=str)
async def test_the_default_port_written_out_is_asked_for(tmp_path: Path, console: Any) -> None:
    config = load_config(data_dir=tmp_path, console=console)
    holder = taken(8080)
    try:
        async with Process(config) as process:
            with pytest.raises(ListenError, match=r"127\.0\.0\.1:8080"):
                await process.serve_probes(dict, clock.system)
    finally:
        if holder is not None:
            holder.close()


def test_the_variable_says_a_port_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_CONSOLE", "127.0.0.1:8080")
    assert load_config().console.port == 8080
    monkeypatch.delenv("SPANLOOM_CONSOLE")
    monkeypatch.setenv("SPANLOOM_CONSOLE__LIMITS__MAX_CONNECTIONS", "10")
    assert load_config().console.port is None
    assert load_config().console.url == "http://127.0.0.1:8080"
