"""Another root for a fleet, under load through the real Envoy: first both are trusted, then the old one no longer."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from components.durations import HOUR, SECOND
from governance.compile.site import Options
from governance.svid.authority import Authority
from governance.svid.rotation import AUTHORITY, NEXT, begin, finish, switch
from spanloom import clock
from spanloom.commands.control import control
from telemetry.errors import ConfigError
from tests.governance.mesh import DEADLINE, Connection, Mesh, until
from tests.governance.test_identity import context, status_of
from tests.services import free_port

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

DOMAIN = "shop.test"
GUARDED = """
services: [{name: pay}]
mtls: [{name: proven, service: pay, mode: strict}]
authorization: [{name: readers, service: pay, allow: [{callers: [front]}]}]
retries: [{name: again, service: pay, attempts: 3}]
"""
"""On a busy machine a handshake can come late; connections that fail are tried again, answers are not."""


def age(path: Path, seconds: int) -> None:
    """As if a file was written before."""
    os.utime(path, ns=(0, clock.system() - seconds * SECOND))


async def becomes(wanted: bool, port: int, tls: ssl.SSLContext) -> None:  # noqa: FBT001 - reads as a sentence
    """Wait until a new connection is served, or is not; what was sent may still be on its way."""
    async with asyncio.timeout(DEADLINE):
        while (await status_of(port, tls) == 200) is not wanted:  # noqa: ASYNC110 - what Envoy does
            await asyncio.sleep(0.05)


async def test_both_roots_are_trusted_until_the_old_one_is_not_and_no_request_fails(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    old = Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
    found, ended = Counter[int](), asyncio.Event()
    options = Options(trust_domain=DOMAIN, max_connection=SECOND)  # so that there are new handshakes all the time
    async with Mesh(folder, options=options, issuer=old) as mesh:
        pay, inbound, outbound = await mesh.upstream("pay"), free_port(), free_port()
        await mesh.publish(GUARDED)
        await mesh.envoy("pay", name="pay-1", inbound=inbound, address="127.0.0.1", application=pay.port)
        await mesh.envoy("front", name="front-1", outbound=outbound)

        async def load() -> None:
            while not ended.is_set():
                async with Connection(outbound) as one:
                    found[(await one.get("pay"))[0]] += 1

        async def become(authority: Authority) -> None:
            """The control plane starts with what is in its folder, and requests go on."""
            await mesh.stop()
            mesh._issuer = authority
            await mesh.start()
            await until(lambda: mesh.has("pay-1") and mesh.has("front-1"), "both are back")
            number = await mesh.publish(f"{GUARDED}# {found.total()}")
            assert mesh.control.stable == number  # both have acknowledged all, secrets too
            before = found.total()
            await until(lambda: found.total() > before + 50, "requests go on")

        async def accepted(name: str, issuer: Authority, bundle: str, *, wanted: bool) -> None:
            await becomes(wanted, inbound, context(tmp_path, name, issuer.issue("front", clock.system()), bundle))

        async with Connection(outbound) as first, asyncio.timeout(DEADLINE):
            while (await first.get("pay"))[0] != 200:  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                await asyncio.sleep(0.05)
        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            begin(folder, DOMAIN, clock.system())
            new = Authority(folder / NEXT, DOMAIN, HOUR, clock.system())
            both = old.bundle + new.bundle
            await accepted("old-0", old, both, wanted=True)
            await accepted("new-0", new, both, wanted=False)

            await become(Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system()))
            await accepted("old-1", old, both, wanted=True)
            await accepted("new-1", new, both, wanted=True)

            switch(folder, DOMAIN, clock.system())
            await become(Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system()))
            await accepted("old-2", old, new.bundle, wanted=True)  # the service itself shows one of the new root
            await accepted("new-2", new, new.bundle, wanted=True)

            age(folder / AUTHORITY, 3601)
            finish(folder, DOMAIN, HOUR, clock.system())
            await become(Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system()))
            await accepted("new-3", new, new.bundle, wanted=True)
            await accepted("old-3", old, new.bundle, wanted=False)
            ended.set()
    assert found.keys() == {200}, found
    assert [each.name for each in sorted(folder.glob("*.pem"))] == [AUTHORITY]


def test_steps_out_of_turn_change_nothing_and_one_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    now = clock.system()
    with pytest.raises(ConfigError, match="no authority is here yet"):
        begin(tmp_path, DOMAIN, now)
    path = tmp_path / AUTHORITY
    old = Authority(path, DOMAIN, HOUR, now).bundle
    with pytest.raises(ConfigError, match="begin a rotation first"):
        switch(tmp_path, DOMAIN, now)
    with pytest.raises(ConfigError, match="trusts one root alone"):
        finish(tmp_path, DOMAIN, HOUR, now)
    begin(tmp_path, DOMAIN, now)
    after_begin = path.read_bytes(), (tmp_path / NEXT).read_bytes()
    begin(tmp_path, DOMAIN, now)
    assert (path.read_bytes(), (tmp_path / NEXT).read_bytes()) == after_begin
    with pytest.raises(ConfigError, match="is still to be switched to"):
        finish(tmp_path, DOMAIN, HOUR, now)
    switch(tmp_path, DOMAIN, now)
    switched = Authority(path, DOMAIN, HOUR, now)
    assert switched.bundle.endswith(old)
    assert switched.bundle != old
    (tmp_path / NEXT).write_bytes(after_begin[1])  # cut off before it was removed
    switch(tmp_path, DOMAIN, now)
    assert Authority(path, DOMAIN, HOUR, now).bundle == switched.bundle
    with pytest.raises(ConfigError, match="finish that rotation first"):
        begin(tmp_path, DOMAIN, now)
    with pytest.raises(ConfigError, match="certificates of the old root are valid for"):
        finish(tmp_path, DOMAIN, HOUR, clock.system())
    age(path, 3601)
    finish(tmp_path, DOMAIN, HOUR, clock.system())
    assert old not in Authority(path, DOMAIN, HOUR, now).bundle
    assert path.stat().st_mode & 0o077 == 0


def test_by_the_command(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text(f"data_dir: {tmp_path / 'data'}\ncontrol: {{identity: {{trust_domain: {DOMAIN}}}}}\n")
    Authority(tmp_path / "data" / "control" / AUTHORITY, DOMAIN, HOUR, clock.system())
    done = [
        CliRunner().invoke(control, ["rotate-root", step, "--config", str(config)]) for step in ("begin", "switch", "finish")
    ]
    assert [each.exit_code for each in done] == [0, 0, 1]
    assert "are valid for 3600 s yet" in done[2].output
    config.write_text(f"data_dir: {tmp_path / 'data'}\n")
    assert CliRunner().invoke(control, ["rotate-root", "begin", "--config", str(config)]).exit_code == 2
