"""A limit that Envoys share, by requests through two of them, and what becomes of requests without an answer."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from components.durations import HOUR, SECOND
from components.xds.pool import message_class, parse
from governance.compile.site import Options
from governance.files import read_policies
from governance.limits.service import METHOD, SERVICE
from telemetry.errors import ConfigError
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Mesh, needs_envoy, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = 1_900_000_000 * SECOND // HOUR * HOUR
PATIENT = Options(limit_deadline=10 * SECOND)
"""On a busy machine an answer may be late, and the request would pass."""
SHARED = """
services: [{name: pay}]
limits:
  - {name: most, service: pay, scope: fleet, requests: 6, per: 1h, match: {prefix: /x}}
  - {name: each, service: pay, scope: fleet, requests: 3, per: 1h, match: {prefix: /u}, by: [{header: x-user}]}
  - {name: peer, service: pay, scope: fleet, requests: 2, per: 1h, match: {prefix: /p}, by: [{remote_address: true}]}
"""


@asynccontextmanager
async def two_instances(mesh: Mesh) -> AsyncIterator[tuple[Connection, Connection]]:
    """Kept connections to two Envoys before one service."""
    upstream = await mesh.upstream("pay")
    ports = free_port(), free_port()
    for port in ports:
        await mesh.envoy("pay", inbound=port, address="127.0.0.1", application=upstream.port)
    async with Connection(ports[0]) as one, Connection(ports[1]) as other:
        yield one, other


async def test_two_envoys_share_a_limit_that_comes_with_routes_and_goes_with_them(tmp_path: Path) -> None:
    now = [NOW]
    async with Mesh(tmp_path, options=PATIENT, now=lambda: now[0], check=True) as mesh:
        await mesh.publish("services: [{name: pay}]")
        async with two_instances(mesh) as both:

            async def statuses(count: int, path: str, **headers: str) -> Counter[int]:
                return Counter([(await both[at % 2].get("pay", path, **headers))[0] for at in range(count)])

            assert await statuses(8, "/x") == {200: 8}
            await mesh.publish(SHARED)
            assert await statuses(10, "/x") == {200: 6, 429: 4}
            assert await statuses(10, "/other") == {200: 10}
            assert await statuses(6, "/u", x_user="ann") == {200: 3, 429: 3}
            assert await statuses(6, "/u", x_user="bob") == {200: 3, 429: 3}
            assert await statuses(6, "/u") == {200: 3, 429: 3}  # without the header they are counted together
            assert await statuses(6, "/p", x_forwarded_for="192.0.2.1") == {200: 2, 429: 4}
            assert await statuses(6, "/p", x_forwarded_for="192.0.2.2") == {200: 2, 429: 4}
            status, _, headers = await both[0].ask("pay", "/x")
            assert (status, headers["x-ratelimit-remaining"]) == (429, "0")
            assert headers["x-ratelimit-limit"].startswith("6")

            now[0] += HOUR // 2  # the window goes on; none of it is free yet
            assert await statuses(2, "/x") == {429: 2}
            now[0] += HOUR  # the window after: half of the one before is still in reach
            assert await statuses(6, "/x") == {200: 3, 429: 3}
            assert mesh.registry.get_sample_value("spanloom_control_limit_requests_total", {"result": "over"}) == 27
            assert mesh.registry.get_sample_value("spanloom_control_limit_counters") == 6

            await mesh.publish("services: [{name: pay}]")
            assert await statuses(8, "/x") == {200: 8}
            before = mesh.registry.get_sample_value("spanloom_control_limit_requests_total", {"result": "let_in"})
            assert before is not None
            assert await statuses(8, "/x") == {200: 8}
            after = mesh.registry.get_sample_value("spanloom_control_limit_requests_total", {"result": "let_in"})
            assert after == before  # nobody is asked of a limit that is not there


async def test_through_agents_a_limit_is_shared_and_while_the_control_plane_is_away_requests_pass(tmp_path: Path) -> None:
    needs_envoy()
    async with Mesh(tmp_path / "control", options=PATIENT, now=lambda: NOW) as mesh:
        upstream = await mesh.upstream("pay")
        await mesh.publish(SHARED)
        ports = free_port(), free_port()

        def settings(at: int) -> dict[str, Any]:
            return {
                "service": "pay",
                "node": f"pay-{at}",
                "inbound": {"port": ports[at], "application": f"127.0.0.1:{upstream.port}"},
                "control": {"address": f"127.0.0.1:{mesh.port}"},
            }

        async with running(tmp_path / "a", **settings(0)) as one, running(tmp_path / "b", **settings(1)) as other:
            for at, agent in enumerate((one, other)):
                await agent.ready()
                await until(lambda: mesh.has(f"pay-{at}"), "the agent has its configuration")  # noqa: B023
            async with Connection(ports[0]) as first, Connection(ports[1]) as second:
                found = [(await (first, second)[at % 2].get("pay", "/x"))[0] for at in range(10)]
                assert Counter(found) == {200: 6, 429: 4}
                asked = [each.metric("spanloom_agent_limit_questions_total", result="answered") for each in (one, other)]
                assert asked == [5, 5]
                await mesh.stop()
                await until(lambda: not one.metric("spanloom_agent_control_connected"), "the agent sees that it is gone")
                assert [(await first.get("pay", "/x"))[0] for _ in range(5)] == [200] * 5
                assert one.metric("spanloom_agent_limit_questions_total", result="unasked") == 5
                await mesh.start()
                await until(lambda: mesh.has("pay-0"), "the agent is back")
                found = [(await first.get("pay", "/x"))[0] for _ in range(10)]
                assert Counter(found) == {200: 6, 429: 4}  # counters began anew


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff\xff",
        {"descriptors": [{"entries": [{"key": "a", "value": "b"}]}]},
        {"descriptors": [{"entries": [{"key": "limit"}, {"key": "requests", "value": "0"}, {"key": "per", "value": "1"}]}]},
        {"descriptors": [{"entries": [{"key": "limit"}, {"key": "requests", "value": "²"}, {"key": "per", "value": "1"}]}]},
        {"descriptors": [{"entries": [{"key": "limit"}, {"key": "requests", "value": "9" * 5000}, {"key": "per"}]}]},
        {"descriptors": [{}] * 101},
    ],
)
async def test_what_is_no_question_about_a_limit_is_refused_and_counted(
    tmp_path: Path, request_: bytes | dict[str, object]
) -> None:
    name = "envoy.service.ratelimit.v3.RateLimitRequest"
    sent = request_ if isinstance(request_, bytes) else parse(name, request_).SerializeToString()
    async with Mesh(tmp_path) as mesh, grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(f"/{SERVICE}/{METHOD}")(sent)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert mesh.registry.get_sample_value("spanloom_control_limit_requests_total", {"result": "unreadable"}) == 1


async def test_a_request_without_limits_is_let_in(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh, grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}") as channel:
        answer = await channel.unary_unary(f"/{SERVICE}/{METHOD}")(b"")
    read = message_class("envoy.service.ratelimit.v3.RateLimitResponse").FromString(answer)
    assert getattr(read, "overall_code", None) == 1


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("by: [{remote_address: true}]", "by: needs scope: fleet"),
        ("scope: fleet, by: [{}]", "name one of header and remote_address"),
        ("scope: world", "scope"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_with_its_place(limit: str, reason: str) -> None:
    text = f"limits: [{{name: a, service: b, requests: 1, per: 1s, {limit}}}]"
    with pytest.raises(ConfigError, match=reason):
        read_policies(text, "p.yml")
