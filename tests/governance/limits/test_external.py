"""A limit that envoyproxy/ratelimit and Redis count, by requests through two Envoys."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from components.durations import HOUR, SECOND
from governance.compile.site import Options
from governance.files import read_policies
from governance.limits.external import LimitFile, service_config
from spanloom import clock
from telemetry.errors import ConfigError
from tests.governance.limits.test_fleet_limits import two_instances
from tests.governance.mesh import DEADLINE, Mesh, needs_envoy
from tests.services import free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = Path(__file__).parents[3] / "build" / "go" / "bin" / "service_cmd"
DAY = 24 * HOUR
POLICIES = """
services: [{name: pay}]
limits:
  - {name: each, service: pay, scope: fleet, requests: 3, per: 1d, match: {prefix: /u}, by: [{header: x-user}]}
  - {name: most, service: pay, scope: fleet, requests: 5, per: 1d, match: {prefix: /x}}
"""


async def listening(port: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while not listens(port):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@contextmanager
def ratelimit(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Redis and the service; its port, the port that shows what it has read, and its file."""
    if not SERVICE.exists():
        pytest.skip("envoyproxy/ratelimit is not built: make ratelimit")
    if (redis := shutil.which("redis-server")) is None:
        pytest.skip("no Redis: apt-get install redis-server")
    store, http, grpc, debug = (free_port() for _ in range(4))
    (folder / "limits" / "config").mkdir(parents=True)
    variables = {
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{store}",
        "USE_STATSD": "false",
        "LOG_LEVEL": "info",
        "RUNTIME_ROOT": str(folder),
        "RUNTIME_SUBDIRECTORY": "limits",
        "RUNTIME_WATCH_ROOT": "false",
        "RUNTIME_IGNOREDOTFILES": "true",
        "HOST": "127.0.0.1",
        "GRPC_HOST": "127.0.0.1",
        "DEBUG_HOST": "127.0.0.1",
        "PORT": str(http),
        "GRPC_PORT": str(grpc),
        "DEBUG_PORT": str(debug),
    }
    with (folder / "ratelimit.log").open("wb") as log:
        keeps = ("--port", str(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder))
        processes = [subprocess.Popen((redis, *keeps), stdout=log, stderr=log)]
        try:
            asyncio.run(listening(store))
            processes.append(subprocess.Popen((str(SERVICE),), env={**os.environ, **variables}, stdout=log, stderr=log))
            asyncio.run(listening(grpc))
            yield grpc, debug, folder / "limits" / "config" / "spanloom.yaml"
        finally:
            for each in processes:
                each.kill()
                each.wait()


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    needs_envoy()
    with ratelimit(tmp_path) as found:
        yield found


async def has_read(debug: int, text: str) -> None:
    """Wait until the service shows that it has something of the file."""

    def shown() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{debug}/rlconfig", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    async with asyncio.timeout(DEADLINE):
        while text not in await asyncio.to_thread(shown):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def test_envoyproxy_ratelimit_counts_for_two_envoys(tmp_path: Path, counted: tuple[int, int, Path]) -> None:
    service, debug, path = counted
    options = Options(limit_deadline=10 * SECOND, limit_service=f"127.0.0.1:{service}")
    async with Mesh(tmp_path / "mesh", options=options, check=True) as mesh:
        file = LimitFile(path, lambda: mesh.control.live)
        await mesh.publish("services: [{name: pay}]")
        async with two_instances(mesh) as both:
            await mesh.publish(POLICIES)
            file.write()
            await has_read(debug, "pay:most")

            async def statuses(count: int, path: str, **headers: str) -> Counter[int]:
                return Counter([(await both[at % 2].get("pay", path, **headers))[0] for at in range(count)])

            while True:
                day, user = clock.system() // DAY, f"user-{clock.system()}"
                found = [await statuses(8, "/u", x_user=user), await statuses(4, "/u", x_user=f"other-{user}")]
                if clock.system() // DAY == day:  # else its window began anew at midnight
                    break
            assert found == [{200: 3, 429: 5}, {200: 3, 429: 1}]
            assert await statuses(4, "/free") == {200: 4}
            await mesh.publish(POLICIES.replace("requests: 3", "requests: 1000"))
            file.write()
            await has_read(debug, "1000")
            assert await statuses(8, "/u", x_user=f"late-{user}") == {200: 8}
        with pytest.raises(ConfigError, match="limit most: an external service counts up to"):
            await mesh.control.check(POLICIES.replace("requests: 5, per: 1d", "requests: 5, per: 10s"), "test.yml")


def test_two_revisions_stand_beside_each_other_and_keys_may_lack() -> None:
    limit = "limits: [{name: u, service: pay, scope: fleet, requests: 9, per: 1m, by: [{header: x-a}, {remote_address: true}]}]"
    read = [read_policies(text, "x.yml") for text in (limit, limit.replace("requests: 9", "requests: 8"))]
    root = yaml.safe_load(service_config(read))
    assert root["domain"] == "spanloom"
    (named,) = root["descriptors"]
    assert (named["key"], named["value"], [each["value"] for each in named["descriptors"]]) == ("limit", "pay:u", ["8", "9"])
    per = named["descriptors"][1]["descriptors"][0]
    assert per["rate_limit"] == {"unit": "minute", "requests_per_unit": 9}
    assert [each["key"] for each in per["descriptors"]] == ["header.x-a", "remote_address"]
    assert [each["key"] for each in per["descriptors"][0]["descriptors"]] == ["remote_address"]
    assert service_config([]) == "descriptors: []\ndomain: spanloom\n"
