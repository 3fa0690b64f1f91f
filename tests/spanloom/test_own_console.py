"""A command asks the console of this machine: where it listens, by TLS too, with what proves who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from components.access.identity import identity_of
from components.access.tokens import new_token, token_hash
from components.http.server import HttpServer
from durable_log.errors import LogError, LogLockedError
from spanloom import clock
from spanloom.access.build import build_access
from spanloom.config import Config
from spanloom.dead_letters import _owner
from tests.certificates import make_certificates
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

PATH = "/api/v1/dead-letters/replay"


async def answer(request: Request) -> JSONResponse:
    return JSONResponse({"from": identity_of(request).name})


async def asked(config: Config, serving: Config) -> dict[str, Any]:
    """What the console of one configuration answers a command of another."""
    app = build_access(serving, CollectorRegistry(), clock.system).guard(
        Starlette(routes=[Route(PATH, answer, methods=["POST"])])
    )
    console = serving.console
    server = HttpServer(app, "console", console.host, console.port_or_default, tls=console.tls)
    await server.start()
    try:
        async with _owner(config, LogLockedError("the log is in use")) as client:
            found: dict[str, Any] = (await client.post(PATH, json={})).raise_for_status().json()
            return found
    finally:
        await server.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
@pytest.mark.parametrize("tls", [False, True])
async def test_it_is_reached_where_it_listens_and_the_file_is_the_proof(
    host: str,
    tls: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SPANLOOM_TOKEN", raising=False)
    config = of(tmp_path, host, tls=tls)
    assert await asked(config, config) == {"from": "local"}


async def test_one_that_others_reach_asks_for_the_token_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token()
    access = {"tokens": [{"name": "ann", "role": "operator", "hash": token_hash(token)}]}
    config = of(tmp_path, "0.0.0.0", access=access)
    monkeypatch.setenv("SPANLOOM_TOKEN", token)
    assert await asked(config, config) == {"from": "ann"}
    monkeypatch.delenv("SPANLOOM_TOKEN")
    with pytest.raises(LogError, match="401"):
        await asked(config, config)


async def test_the_token_is_not_shown_to_a_server_with_another_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLOOM_TOKEN", raising=False)
    serving = of(tmp_path / "other", "127.0.0.1", tls=True)
    config = of(tmp_path, "127.0.0.1", tls=True, port=serving.console.port_or_default)
    with pytest.raises(LogError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        await asked(config, serving)


def of(folder: Path, host: str, *, tls: bool = False, port: int = 0, access: Any = None) -> Config:
    """A configuration with a folder, and certificates, of its own."""
    folder.mkdir(exist_ok=True)
    files = None
    if tls:
        make_certificates(folder)
        files = {"certificate": folder / "broker.pem", "key": folder / "broker.pem"}
    console = {"host": host, "port": port or free_port(), "tls": files}
    return Config.model_validate({"data_dir": folder, "console": console, "access": access or {}})
