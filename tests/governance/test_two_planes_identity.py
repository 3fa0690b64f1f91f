"""Two control planes on one PostgreSQL with one authority: another root, rotated on one of them, and no failed request."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import orjson
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from components.durations import HOUR, SECOND
from components.private_files import write_private
from governance.compile.site import Options
from governance.config import ControlPlaneConfig
from governance.stores.postgresql import PostgresStore
from governance.svid.authority import Authority
from governance.svid.live import LiveAuthority
from governance.svid.rotation import ACKNOWLEDGED, AUTHORITY, NEXT, begin, finish, replace, switch
from governance.svid.shared import SHARED, SharedAuthority
from spanloom import clock
from spanloom.process.control import Control
from telemetry.errors import ConfigError
from tests.governance.mesh import DEADLINE, Connection, Mesh, needs_envoy, until
from tests.governance.test_identity import context
from tests.governance.test_root_rotation import DOMAIN, GUARDED, age, becomes
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.postgresql import Server


SECRET = "correct horse battery staple, and more"


def copy(source: Path, target: Path) -> None:
    """What the documents ask for: the authority's files, each replaced as a whole."""
    target.mkdir(exist_ok=True)
    for name in (AUTHORITY, NEXT):
        if (source / name).exists():
            write_private(target / name, (source / name).read_bytes())
        else:
            (target / name).unlink(missing_ok=True)


async def acknowledged(folders: tuple[Path, Path], before: bytes = b"") -> bytes:
    """Wait until the agents of both have the step after the one `before`; its digest."""
    found = [b"", b""]

    def same() -> bool:
        found[:] = [path.read_bytes() if (path := folder / ACKNOWLEDGED).exists() else b"" for folder in folders]
        return found[0] == found[1] not in {before, b""}

    await until(same, "all agents have the step")
    return found[0]


async def rotated(
    folders: tuple[Path, Path],
    old: Authority,
    authorities: tuple[LiveAuthority, LiveAuthority],
    passes_on: Callable[[], Awaitable[None]],
    goes_on: Callable[[], Awaitable[None]],
) -> Authority:
    """The new root, after all three steps were done on the first, each when the agents of both had the one before."""
    reached = await acknowledged(folders)
    begin(folders[0], DOMAIN, clock.system())
    new = Authority(folders[0] / NEXT, DOMAIN, HOUR, clock.system())
    await passes_on()
    reached = await acknowledged(folders, reached)
    await goes_on()
    switch(folders[0], DOMAIN, clock.system())
    await passes_on()
    reached = await acknowledged(folders, reached)
    await goes_on()
    assert [each.bundle for each in authorities] == [new.bundle + old.bundle] * 2
    age(folders[0] / AUTHORITY, 3601)
    finish(folders[0], DOMAIN, HOUR, clock.system())
    await passes_on()
    await acknowledged(folders, reached)
    await goes_on()
    return new


@pytest.mark.parametrize("how", ["by-hand", "in-the-store"])
async def test_a_root_rotated_on_one_is_served_by_the_other_and_no_request_fails(
    tmp_path: Path, postgresql: Server, how: str
) -> None:
    needs_envoy()
    url, folders = postgresql.database(), (tmp_path / "one", tmp_path / "other")
    stores = [PostgresStore(url, lambda _: None) for _ in folders]
    both = [SharedAuthority(folder, SECRET, store) for folder, store in zip(folders, stores, strict=True)]
    shared = both if how == "in-the-store" else []
    first = LiveAuthority(folders[0] / AUTHORITY, DOMAIN, HOUR, clock.system())

    async def passes_on() -> None:
        """What is done to the files of one reaches the other by itself, or by hand."""
        if not shared:
            copy(*folders)

    for each in shared:
        await each.sync(clock.system())
    await passes_on()
    authorities = (first, LiveAuthority(folders[1] / AUTHORITY, DOMAIN, HOUR, clock.system()))
    old, found, ended = Authority(folders[0] / AUTHORITY, DOMAIN, HOUR, clock.system()), Counter[int](), asyncio.Event()
    options = Options(trust_domain=DOMAIN, max_connection=SECOND)  # so that there are new handshakes all the time
    async with AsyncExitStack() as stack:
        meshes = [
            await stack.enter_async_context(Mesh(folder, options=options, issuer=authority, store=partial(next, iter([store]))))
            for folder, authority, store in zip(folders, authorities, stores, strict=True)
        ]
        one, other = meshes
        for mesh, authority in zip(meshes, authorities, strict=True):
            files = shared[meshes.index(mesh)] if shared else None
            following = asyncio.create_task(authority.follow(mesh.control.identities_reached, clock.system, files))
            stack.callback(following.cancel)
        pay, inbound, outbound = await one.upstream("pay"), free_port(), free_port()
        await one.publish(GUARDED)
        await until(lambda: other.control.stable == one.control.stable, "both serve the revision")
        await one.envoy("pay", name="pay-1", inbound=inbound, address="127.0.0.1", application=pay.port)
        await other.envoy("front", name="front-1", outbound=outbound)
        async with Connection(outbound) as kept, asyncio.timeout(DEADLINE):
            while (await kept.get("pay"))[0] != 200:  # noqa: ASYNC110 - what others do
                await asyncio.sleep(0.05)

        async def load() -> None:
            while not ended.is_set():
                async with Connection(outbound) as connection:
                    found[(await connection.get("pay"))[0]] += 1

        async def goes_on() -> None:
            before = found.total()
            await until(lambda: found.total() > before + 20, "requests go on")

        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            new = await rotated(folders, old, authorities, passes_on, goes_on)
            ended.set()
        assert found.keys() == {200}, found
        assert [each.bundle for each in authorities] == [new.bundle] * 2
        for name, issuer, wanted in (("old", old, False), ("new", new, True)):
            await becomes(wanted, inbound, context(tmp_path, name, issuer.issue("front", clock.system()), new.bundle))


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (AUTHORITY, NEXT) if (folder / name).exists()}


async def test_what_the_store_has_holds_and_who_was_slower_takes_it(tmp_path: Path, postgresql: Server) -> None:
    url, now = postgresql.database(), clock.system()
    stores = [PostgresStore(url) for _ in range(2)]
    one, other = tmp_path / "one", tmp_path / "other"
    here, there = (SharedAuthority(folder, SECRET, store) for folder, store in zip((one, other), stores, strict=True))
    await there.sync(now)
    assert not other.exists(), "nobody has made it yet"
    for folder in (one, other):  # both begin at the same time
        Authority(folder / AUTHORITY, DOMAIN, HOUR, now)
    await here.sync(now)
    await there.sync(now)
    assert files_of(other) == files_of(one)

    begin(one, DOMAIN, now)
    await here.sync(now)
    replace(other, DOMAIN, now)  # of what is no longer so
    await there.sync(now)
    assert files_of(other) == files_of(one), "it is to be done again"
    assert files_of(one).keys() == {AUTHORITY, NEXT}
    replace(other, DOMAIN, now)
    replaced = files_of(other)
    await there.sync(now)
    await here.sync(now)
    assert files_of(one) == replaced
    assert all((one / name).stat().st_mode & 0o077 == 0 for name in (AUTHORITY, SHARED))

    replace(one, DOMAIN, now)  # while its control plane was not running
    await SharedAuthority(one, SECRET, stores[0]).sync(now)
    await there.sync(now)
    assert files_of(other) == files_of(one) != replaced
    with psycopg.connect(url) as database:
        ((version, data),) = database.execute("select version, data from authority").fetchall()
        (trail,) = zip(*database.execute("select record from audit order by sequence").fetchall(), strict=True)
    assert version == 4
    assert "BEGIN" not in data
    key = files_of(one)[AUTHORITY].split(b"-----BEGIN CERTIFICATE")[0].split()[4].decode()
    assert key not in data + str(trail)
    assert [orjson.loads(each)["data"]["version"] for each in trail] == [1, 2, 3, 4]
    with pytest.raises(ConfigError, match="encrypted with another one"):
        await SharedAuthority(tmp_path / "third", SECRET[::-1], stores[0]).sync(now)
    for store in stores:
        await store.close()


async def test_all_that_are_there_must_have_acknowledged_and_who_is_gone_does_not_count(postgresql: Server) -> None:
    url = postgresql.database()
    one, other = PostgresStore(url), PostgresStore(url)
    assert await one.acknowledge_authority("a") is False
    assert await other.acknowledge_authority("b") is False
    assert await other.acknowledge_authority("a") is True
    assert await one.acknowledge_authority("b") is False
    await other.close()
    await until_alone(one)
    assert await one.acknowledge_authority("b") is True
    await one.close()


async def until_alone(store: PostgresStore) -> None:
    """The server notices the end of a session a moment later."""
    async with asyncio.timeout(DEADLINE):
        while (await store.look()).alive:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "identity", [{}, {"authority": False, "store": "postgresql://a@b/c"}], ids=["without-a-store", "without-an-authority"]
)
def test_a_key_that_would_share_nothing_is_refused(identity: dict[str, object]) -> None:
    store = identity.pop("store", None)
    settings = {"store": store, "identity": {"trust_domain": DOMAIN, "shared_key": SECRET, **identity}}
    with pytest.raises(ValidationError, match="is for an authority of control planes that share"):
        ControlPlaneConfig.model_validate(settings)


async def test_control_planes_that_share_a_key_begin_with_one_authority(tmp_path: Path, postgresql: Server) -> None:
    config = ControlPlaneConfig.model_validate(
        {
            "store": postgresql.database(),
            "identity": {"trust_domain": DOMAIN, "shared_key": SECRET},
            "check_with_envoy": False,
        }
    )
    async with AsyncExitStack() as stack:
        running = [Control(config, tmp_path / name, CollectorRegistry(), clock.system) for name in ("one", "other")]
        for each in running:
            await stack.enter_async_context(each)
        assert files_of(tmp_path / "one") == files_of(tmp_path / "other")
        tasks = [asyncio.create_task(each.run()) for each in running]
        begin(tmp_path / "other", DOMAIN, clock.system())
        await until(lambda: files_of(tmp_path / "one") == files_of(tmp_path / "other"), "the step is at both")
        await acknowledged((tmp_path / "one", tmp_path / "other"))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
