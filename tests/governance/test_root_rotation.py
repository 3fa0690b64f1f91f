"""Another root for a fleet, under load through the real Envoy: first both are trusted, then the old one no longer."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509
from prometheus_client import CollectorRegistry

from agent.config import ControlConfig
from agent.metrics import AgentMetrics
from agent.workload_api.from_control import FromControl
from agent.workload_api.identity import HeldIdentity
from components.durations import HOUR, SECOND
from components.private_files import write_private
from governance.compile.site import Options
from governance.config import ControlPlaneConfig
from governance.svid.authority import Authority
from governance.svid.live import LiveAuthority
from governance.svid.rotation import AUTHORITY, NEXT, acknowledge, begin, finish, replace, switch
from spanloom import clock
from spanloom.commands.control import control
from spanloom.process.control import Control
from telemetry.errors import ConfigError, SpanloomError
from tests.governance.mesh import DEADLINE, Connection, Mesh, until
from tests.governance.test_identity import context, status_of
from tests.services import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
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


async def step(act: Callable[[], None]) -> None:
    """Do the next step as soon as every agent has the one before."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return act()
            except SpanloomError as error:
                assert "not every agent has the step before" in str(error)  # noqa: PT017 - it is tried again
                await asyncio.sleep(0.05)


async def test_a_running_control_plane_changes_its_root_and_no_request_fails_until_a_stolen_one_is_replaced(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "control"
    authority = LiveAuthority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
    old = Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
    found, ended = Counter[int](), asyncio.Event()
    options = Options(trust_domain=DOMAIN, max_connection=SECOND)  # so that there are new handshakes all the time
    async with Mesh(folder, options=options, issuer=authority) as mesh:
        following = asyncio.create_task(authority.follow(mesh.control.identities_reached, clock.system))
        pay, inbound, outbound = await mesh.upstream("pay"), free_port(), free_port()
        await mesh.publish(GUARDED)
        await mesh.envoy("pay", name="pay-1", inbound=inbound, address="127.0.0.1", application=pay.port)
        await mesh.envoy("front", name="front-1", outbound=outbound)

        async def load() -> None:
            while not ended.is_set():
                async with Connection(outbound) as one:
                    found[(await one.get("pay"))[0]] += 1

        async def accepted(name: str, issuer: Authority, bundle: str, *, wanted: bool) -> None:
            await becomes(wanted, inbound, context(tmp_path, name, issuer.issue("front", clock.system()), bundle))
            before = found.total()
            await until(lambda: found.total() > before + 20, "requests go on")

        async def served() -> None:
            async with Connection(outbound) as first, asyncio.timeout(DEADLINE):
                while (await first.get("pay"))[0] != 200:  # noqa: ASYNC110 - what others do
                    await asyncio.sleep(0.05)

        await served()  # callers learn of an agent a moment after it came
        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            begin(folder, DOMAIN, clock.system())
            new = Authority(folder / NEXT, DOMAIN, HOUR, clock.system())
            both = old.bundle + new.bundle
            await accepted("old-1", old, both, wanted=True)
            await accepted("new-1", new, both, wanted=True)

            await step(lambda: switch(folder, DOMAIN, clock.system()))
            await accepted("new-2", new, new.bundle, wanted=True)  # the service itself shows one of the new root
            await accepted("old-2", old, new.bundle, wanted=True)

            age(folder / AUTHORITY, 3601)
            await step(lambda: finish(folder, DOMAIN, HOUR, clock.system()))
            await accepted("old-3", old, new.bundle, wanted=False)
            await accepted("new-3", new, new.bundle, wanted=True)
            ended.set()
        assert found.keys() == {200}, found
        assert [each.name for each in sorted(folder.glob("*.pem"))] == [AUTHORITY]

        replace(folder, DOMAIN, clock.system())  # somebody has the key of `new`
        last = Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
        assert last.bundle not in both
        await becomes(False, inbound, context(tmp_path, "forged", new.issue("front", clock.system()), last.bundle + new.bundle))
        await becomes(True, inbound, context(tmp_path, "last", last.issue("front", clock.system()), last.bundle))
        await served()
        following.cancel()
        await asyncio.wait({following})


async def test_the_command_acts_on_a_control_plane_that_runs_and_on_workloads_of_its_agents(tmp_path: Path) -> None:
    data = tmp_path / "data"
    written = f"data_dir: {data}\ncontrol: {{identity: {{trust_domain: {DOMAIN}}}, check_with_envoy: false, port: 0}}\n"
    (tmp_path / "c.yml").write_text(written)
    config = ControlPlaneConfig.model_validate({"identity": {"trust_domain": DOMAIN}, "check_with_envoy": False})

    async def command(*step: str) -> str:
        arguments = ["rotate-root", *step, "--config", str(tmp_path / "c.yml")]
        done = await asyncio.to_thread(CliRunner().invoke, control, arguments)
        return "" if done.exit_code == 0 else done.output

    async with Control(config, data / "control", CollectorRegistry(), clock.system) as running:
        tasks = [asyncio.create_task(running.run())]
        held, metrics = HeldIdentity(), AgentMetrics(CollectorRegistry())
        upstream = ControlConfig(address=f"unix:{(data / 'control' / 'ads.sock').resolve()}")
        source = FromControl(upstream, "host-1", "mailer", random.Random(1), metrics)
        tasks.append(asyncio.create_task(source.run(held.put)))
        async with asyncio.timeout(DEADLINE):
            first = await held.other_than(None)
            assert len(first.bundle) == 1
            assert await command("begin") == ""
            both = await held.other_than(first)
            assert (both.chain, both.bundle[0], len(both.bundle)) == (first.chain, first.bundle[0], 2)
            while await command("switch"):
                pass
            switched = await held.other_than(both)
            assert switched.bundle == (both.bundle[1], both.bundle[0])
            read = [x509.load_der_x509_certificate(each) for each in (switched.chain[0], switched.bundle[0])]
            read[0].verify_directly_issued_by(read[1])
            assert "are valid for" in await command("finish")
            age(data / "control" / AUTHORITY, 3601)
            while await command("finish"):
                pass
            last = await held.other_than(switched)
            assert (last.chain, last.bundle) == (switched.chain, switched.bundle[:1])
            assert await command("replace") == ""
            other = await held.other_than(last)
            assert not {*other.bundle} & {*both.bundle}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_what_cannot_be_read_leaves_the_root_that_there_was(tmp_path: Path) -> None:
    path, now = tmp_path / AUTHORITY, clock.system()
    live = LiveAuthority(path, DOMAIN, HOUR, now)
    bundle, content = live.bundle, path.read_bytes()
    path.write_text("nothing")
    live.refresh(now)
    assert live.bundle == bundle
    path.unlink()
    live.refresh(now)
    assert live.bundle == bundle
    assert not path.exists()
    write_private(path, content)
    live.refresh(now)
    assert live.bundle == bundle
    replace(tmp_path, DOMAIN, now)
    live.refresh(now)
    assert live.bundle != bundle


def test_a_step_waits_until_every_agent_has_the_one_before(tmp_path: Path) -> None:
    now = clock.system()
    live = LiveAuthority(tmp_path / AUTHORITY, DOMAIN, HOUR, now)
    live.acknowledged()
    begin(tmp_path, DOMAIN, now)
    with pytest.raises(SpanloomError, match="not every agent has the step before"):
        switch(tmp_path, DOMAIN, now)
    live.refresh(now)
    live.acknowledged()
    switch(tmp_path, DOMAIN, now)
    age(tmp_path / AUTHORITY, 3601)
    with pytest.raises(SpanloomError, match="not every agent has the step before"):
        finish(tmp_path, DOMAIN, HOUR, now)
    finish(tmp_path, DOMAIN, HOUR, now, force=True)


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
    acknowledge(tmp_path, Authority(path, DOMAIN, HOUR, now).bundle)
    switch(tmp_path, DOMAIN, now)
    switched = Authority(path, DOMAIN, HOUR, now)
    assert switched.bundle.endswith(old)
    assert switched.bundle != old
    (tmp_path / NEXT).write_bytes(after_begin[1])  # cut off before it was removed
    switch(tmp_path, DOMAIN, now)
    assert Authority(path, DOMAIN, HOUR, now).bundle == switched.bundle
    with pytest.raises(ConfigError, match="finish that rotation first"):
        begin(tmp_path, DOMAIN, now)
    with pytest.raises(SpanloomError, match="certificates of the old root are valid for"):
        finish(tmp_path, DOMAIN, HOUR, clock.system())
    age(path, 3601)
    acknowledge(tmp_path, switched.bundle)
    finish(tmp_path, DOMAIN, HOUR, clock.system())
    assert old not in Authority(path, DOMAIN, HOUR, now).bundle
    assert path.stat().st_mode & 0o077 == 0


def test_there_is_no_root_to_rotate_where_there_is_no_authority(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    for identity in ("null", f"{{trust_domain: {DOMAIN}, authority: false}}"):
        config.write_text(f"data_dir: {tmp_path / 'data'}\ncontrol: {{identity: {identity}}}\n")
        assert CliRunner().invoke(control, ["rotate-root", "begin", "--config", str(config)]).exit_code == 2
