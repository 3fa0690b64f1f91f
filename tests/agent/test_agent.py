"""A real Envoy under the agent: proxies of its own, resources of a file, and a control plane that comes and goes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from agent.agent import check
from agent.config import AgentConfig
from components.private_files import write_private
from components.xds.pool import TYPE_PREFIX
from components.xds.program import envoy_program
from spanloom import clock
from telemetry.errors import ConfigError
from tests.agent.centre import Centre
from tests.agent.traffic import Cable, alive, answered, backend, children, get, needs_envoy, running, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CLUSTER, LISTENER = "envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener"
ROUTES, RUNTIME = "envoy.config.route.v3.RouteConfiguration", "envoy.service.runtime.v3.Runtime"
FILTERS = "envoy.extensions.filters."


def cluster(port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": "web",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "web", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def listener(port: int) -> dict[str, Any]:
    """Routes by RDS; a fault that only the runtime layer can turn on."""
    fault = {
        "@type": TYPE_PREFIX + FILTERS + "http.fault.v3.HTTPFault",
        "abort": {"http_status": 418, "percentage": {"numerator": 0}},
        "abort_percent_runtime": "fault.test",
    }
    manager = {
        "@type": TYPE_PREFIX + FILTERS + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "rds": {"route_config_name": "inbound", "config_source": {"ads": {}, "resource_api_version": "V3"}},
        "http_filters": [
            {"name": "fault", "typed_config": fault},
            {"name": "router", "typed_config": {"@type": TYPE_PREFIX + FILTERS + "http.router.v3.Router"}},
        ],
    }
    return {
        "name": "inbound",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def routes(revision: str) -> dict[str, Any]:
    header = {"header": {"key": "x-revision", "value": revision}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "web"}, "response_headers_to_add": [header]}
    return {"name": "inbound", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}


def runtime(layer: Mapping[str, object]) -> dict[str, Any]:
    return {"name": "spanloom", "layer": dict(layer)}


@needs_envoy
async def test_requests_pass_both_proxies_and_envoy_comes_back_after_a_kill(tmp_path: Path) -> None:
    inbound, outbound = free_port(), free_port()
    with backend("shop") as shop, backend("pay") as pay:
        settings: dict[str, Any] = {
            "inbound": {"port": inbound, "application": f"127.0.0.1:{shop.server_port}"},
            "outbound": {"port": outbound},
            "peers": [{"service": "pay", "addresses": [f"127.0.0.1:{pay.server_port}"]}],
        }
        async with running(tmp_path, **settings) as agent:
            await agent.ready()
            assert (await get(f"http://127.0.0.1:{inbound}/orders")).text == "shop /orders"
            proxy = f"http://127.0.0.1:{outbound}"
            assert (await get("http://pay/charge", proxy=proxy)).text == "pay /charge"
            assert (await get(f"http://127.0.0.1:{outbound}/refund", headers={"host": "pay"})).text == "pay /refund"
            assert (await get("http://metadata.internal/secrets", proxy=proxy)).status_code == 404
            first = agent.envoy
            os.kill(first, signal.SIGKILL)
            await until(lambda: agent.envoy != first)
            await agent.ready()
            assert (await answered(f"http://127.0.0.1:{inbound}/orders")).text == "shop /orders"
            assert agent.metric("spanloom_agent_envoy_ends_total", reason="signal") == 1
            last = agent.envoy
    assert not alive(last)


@needs_envoy
async def test_a_program_in_a_folder_that_only_its_owner_may_enter_is_run_too(tmp_path: Path) -> None:
    program = envoy_program()
    assert program is not None
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - at once
    (tmp_path / "envoy").symlink_to(program)
    inbound = free_port()
    with backend("shop") as shop:
        settings = {"port": inbound, "application": f"127.0.0.1:{shop.server_port}"}
        async with running(tmp_path, inbound=settings, envoy={"program": tmp_path / "envoy"}) as agent:
            await agent.ready()
            assert (await get(f"http://127.0.0.1:{inbound}/x")).text == "shop /x"


@needs_envoy
async def test_an_envoy_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    inbound = free_port()
    with backend("shop") as shop:
        settings = {"port": inbound, "application": f"127.0.0.1:{shop.server_port}"}
        checks = {"check_seconds": 1.0, "failed_checks": 2}
        async with running(tmp_path, inbound=settings, envoy=checks) as agent:
            await agent.ready()
            first = agent.envoy
            os.kill(first, signal.SIGSTOP)
            await until(lambda: agent.envoy != first)
            assert (await answered(f"http://127.0.0.1:{inbound}/x")).text == "shop /x"
            assert agent.metric("spanloom_agent_envoy_ends_total", reason="unhealthy") >= 1
            assert not alive(first)


@needs_envoy
async def test_another_envoy_takes_over_without_a_failed_request(tmp_path: Path) -> None:
    inbound = free_port()
    with backend("shop") as shop:
        settings = {"port": inbound, "application": f"127.0.0.1:{shop.server_port}"}
        async with running(tmp_path, inbound=settings, envoy={"check_seconds": 0.5, "failed_checks": 60}) as agent:
            await agent.ready()
            first = agent.envoy
            slow = asyncio.create_task(get(f"http://127.0.0.1:{inbound}/slow"))
            await asyncio.to_thread(shop.arrived.wait, 60)
            agent.agent.upgrade()
            codes: list[int] = []
            while agent.envoy == first or len(codes) < 20:
                codes.append((await get(f"http://127.0.0.1:{inbound}/x")).status_code)
                if agent.envoy != first:  # which ends soon: a loaded machine answers few requests until then
                    shop.release.set()
            assert (await slow).text == "shop /slow", "on the Envoy before"
            assert set(codes) == {200}
            await until(lambda: not alive(first))
            assert (await get(f"http://127.0.0.1:{inbound}/x")).status_code == 200
            assert agent.metric("spanloom_agent_envoy_upgrades_total", result="done") == 1
            last = agent.envoy
            os.kill(last, signal.SIGKILL)  # and one that crashes later is followed by a first again
            await until(lambda: agent.envoy != last)
            await answered(f"http://127.0.0.1:{inbound}/x")


@needs_envoy
async def test_a_stop_lets_the_request_in_flight_end(tmp_path: Path) -> None:
    inbound = free_port()
    with backend("shop") as shop:
        settings = {"port": inbound, "application": f"127.0.0.1:{shop.server_port}"}
        async with running(tmp_path, inbound=settings, envoy={"drain_seconds": 60}) as agent:
            await agent.ready()
            slow = asyncio.create_task(get(f"http://127.0.0.1:{inbound}/slow"))
            await asyncio.to_thread(shop.arrived.wait, 60)
            asyncio.get_running_loop().call_later(0.5, shop.release.set)
        assert (await slow).text == "shop /slow"


@needs_envoy
async def test_a_file_of_resources_is_followed_and_one_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "resources.yml"

    def write(*resources: dict[str, Any]) -> None:
        write_private(file, yaml.safe_dump(list(resources)).encode())

    with backend("web") as web:
        fixed = (
            {"@type": TYPE_PREFIX + CLUSTER, **cluster(web.server_port)},
            {"@type": TYPE_PREFIX + LISTENER, **listener(port)},
        )
        write(*fixed, {"@type": TYPE_PREFIX + ROUTES, **routes("one")})
        async with running(tmp_path / "data", resources=file) as agent:
            assert (await answered(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "one"
            write({"@type": TYPE_PREFIX + CLUSTER, "nonsense": 1})
            write(*fixed, {"@type": TYPE_PREFIX + ROUTES, **routes("two")})
            await revision(port, "two")
            write_private(file, b"[{")
            await asyncio.sleep(1.5)  # more than a check
            assert (await get(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "two"
            assert agent.metric("spanloom_agent_own_resources_refused_total") == 0


async def revision(port: int, wanted: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if (await answered(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == wanted:
                return
            await asyncio.sleep(0.02)


@needs_envoy
async def test_the_last_good_outlives_the_centre_and_faults_end_without_it(tmp_path: Path) -> None:
    port, clock_offset = free_port(), [0]

    def now() -> int:
        return clock.system() + clock_offset[0]

    centre = Centre(free_port())
    control = {"control": {"address": f"127.0.0.1:{centre.port}"}}
    end = clock.system() // 10**9 + 3600
    with backend("web") as web:
        async with centre:
            await centre.publish(CLUSTER, "1", cluster(web.server_port))
            await centre.publish(LISTENER, "1", listener(port))
            await centre.publish(ROUTES, "1", routes("one"))
            await centre.publish(RUNTIME, "1", runtime({}))
            async with running(tmp_path, now, labels={"zone": "a"}, **control) as agent:
                assert (await answered(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "one"
                # What Envoy refuses is refused at the centre, with Envoy's reason, and changes nothing.
                bad = routes("two")
                bad["virtual_hosts"][0]["routes"][0]["match"] = {"safe_regex": {"regex": "("}}
                await centre.publish(ROUTES, "2", bad)
                await centre.until(lambda: centre.refused)
                assert centre.refused[0][0] == TYPE_PREFIX + ROUTES
                assert "missing" in centre.refused[0][1] or "regex" in centre.refused[0][1].lower()
                assert (await get(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "one"
                assert agent.metric("spanloom_agent_responses_total", result="refused") == 1
                # A fault until an hour from now.
                layer = {"fault.test": 100, "until.fault": end, "other": 1}
                await centre.publish(RUNTIME, "2", runtime(layer))
                await answered(f"http://127.0.0.1:{port}/a", 418)
                await centre.until(lambda: centre.accepted.get(TYPE_PREFIX + RUNTIME) == "2")
                node = centre.nodes[0]
                assert (node.cluster, node.metadata["spanloom"]["labels"]["zone"]) == ("shop", "a")
        # The centre is gone. A new agent has Envoy's last good from disk, the fault with it.
        async with running(tmp_path, now, **control) as agent:
            await answered(f"http://127.0.0.1:{port}/a", 418)
            clock_offset[0] = 3601 * 10**9
            assert (await answered(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "one"
            assert agent.metric("spanloom_agent_faults_ended_total") == 1
            assert agent.metric("spanloom_agent_control_connected") == 0
            # The centre comes back with something newer.
            async with centre:
                await centre.publish(ROUTES, "3", routes("three"))
                await revision(port, "three")
                await centre.until(lambda: centre.accepted.get(TYPE_PREFIX + ROUTES) == "3")


@needs_envoy
async def test_a_cut_link_is_as_good_as_none_for_a_new_envoy(tmp_path: Path) -> None:
    port, centre = free_port(), Centre(free_port())
    with backend("web") as web:
        async with centre, Cable(centre.port) as cable:
            await centre.publish(CLUSTER, "1", cluster(web.server_port))
            await centre.publish(LISTENER, "1", listener(port))
            await centre.publish(ROUTES, "1", routes("one"))
            await centre.publish(RUNTIME, "1", runtime({"fault.test": 100, "until.fault": clock.system() // 10**9 + 5}))
            async with running(tmp_path, control={"address": f"127.0.0.1:{cable.port}"}) as agent:
                await agent.ready()
                await centre.until(lambda: len(centre.accepted) == 4)
                cable.cut()
                await centre.publish(ROUTES, "2", routes("two"))
                first = agent.envoy
                os.kill(first, signal.SIGKILL)
                await until(lambda: agent.envoy != first)
                # The new one has the last good, and the fault ends at its time, though the stream seems to be open.
                assert (await answered(f"http://127.0.0.1:{port}/a")).headers["x-revision"] == "one"
                assert agent.metric("spanloom_agent_control_connected") == 1


@needs_envoy
async def test_what_envoy_dies_of_is_refused_and_not_given_to_the_next_one(tmp_path: Path) -> None:
    port, centre = free_port(), Centre(free_port())
    stream = {"streaming_grpc": {"tap_id": "x", "grpc_service": {"envoy_grpc": {"cluster_name": "web"}}}}
    tap = {
        "@type": TYPE_PREFIX + "envoy.extensions.transport_sockets.tap.v3.Tap",
        "common_config": {
            "static_config": {"match": {"any_match": True}, "output_config": {"sinks": [stream]}},
        },
        "transport_socket": {
            "name": "raw",
            "typed_config": {"@type": TYPE_PREFIX + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
        },
    }
    with backend("web") as web:
        async with centre, running(tmp_path, control={"address": f"127.0.0.1:{centre.port}"}) as agent:
            await centre.publish(CLUSTER, "1", cluster(web.server_port))
            await centre.publish(LISTENER, "1", listener(port))
            await centre.publish(ROUTES, "1", routes("one"))
            await answered(f"http://127.0.0.1:{port}/a")
            deadly = listener(port)
            deadly["filter_chains"][0]["transport_socket"] = {"name": "tap", "typed_config": tap}
            await centre.publish(LISTENER, "2", deadly)  # this Envoy does not refuse it: it panics
            await centre.until(lambda: centre.refused)
            assert centre.refused == [(TYPE_PREFIX + LISTENER, "Envoy ended while it applied this")]
            await agent.ready()
            assert (await answered(f"http://127.0.0.1:{port}/a")).text == "web /a"


@needs_envoy
async def test_a_kill_of_the_process_ends_envoy_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    inbound = free_port(1)
    probes = inbound + 1
    with backend("shop") as shop:
        environment = {
            **os.environ,
            "SPANLOOM_DATA_DIR": str(tmp_path / "data"),
            "SPANLOOM_CONSOLE": f"127.0.0.1:{probes}",
            "SPANLOOM_AGENT__SERVICE": "shop",
            "SPANLOOM_AGENT__INBOUND": f'{{"port": {inbound}, "application": "127.0.0.1:{shop.server_port}"}}',
        }
        command = (sys.executable, "-m", "spanloom.cli", "agent", "--once")
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await answered(f"http://127.0.0.1:{probes}/readyz")
            assert (await get(f"http://127.0.0.1:{inbound}/x")).text == "shop /x"
            assert (await get(f"http://127.0.0.1:{probes}/healthz")).status_code == 200
            assert "spanloom_agent_envoy_ready 1.0" in (await get(f"http://127.0.0.1:{probes}/metrics")).text
            (envoy,) = children(process.pid)
            process.send_signal(signal.SIGHUP)
            await until(lambda: len(children(process.pid)) == 2)  # another takes over
            envoys = children(process.pid)
            assert envoy in envoys
        finally:
            process.kill()
            await process.wait()
        await until(lambda: not any(map(alive, envoys)))
        data = tmp_path / "data" / "agent"
        left = (data / "run-folder").read_text()
        assert os.path.exists(left)  # noqa: ASYNC240, PTH110 - a look
        application = f"127.0.0.1:{shop.server_port}"
        async with running(data, inbound={"port": inbound, "application": application}):
            await answered(f"http://127.0.0.1:{inbound}/x")
            assert not os.path.exists(left)  # noqa: ASYNC240, PTH110 - a look


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "agent.service"),
        ({"service": "shop"}, "nothing would pass"),
        ({"service": "shop", "resources": "/nowhere.yml"}, "/nowhere.yml"),
    ],
)
def test_settings_with_which_nothing_would_happen_are_refused(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        check(AgentConfig(**settings))
