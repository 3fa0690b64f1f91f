"""Actions of playbooks by requests through Envoy, each with its inverse, on one kept connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from governance.steering import PolicySteering
from tests.alerting.playbooks.all_actions import all_actions
from tests.governance.mesh import Connection, Mesh, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BOTH = "routes: [{name: cart, service: cart, rules: [{to: [{labels: {version: v1}}, {labels: {version: v2}}]}]}]"
FIRST = "routes: [{name: cart, service: cart, rules: [{to: [{labels: {version: v1}}]}]}]"
PLAIN = {(200, "v1"), (200, "v2")}


async def answers(kept: Connection) -> Counter[tuple[int, str]]:
    """Of thirty requests: the status, and whose body."""
    found = [await kept.get("cart") for _ in range(30)]
    return Counter((status, body if status == 200 else "") for status, body in found)


@pytest.mark.parametrize(
    ("name", "arguments", "inverse", "seen"),
    [
        ("route-weights", {"weights": "v1=1"}, lambda found: ("route-weights", found), {(200, "v1")}),
        ("migrate", {"source": "v2", "to": "v1"}, lambda found: ("route-weights", found), {(200, "v1")}),
        ("rate-limit", {"per_second": 0.001}, lambda found: ("rate-limit", found), {(429, "")}),
        (
            "config-rollback",
            {"scope": "policies"},
            lambda found: ("config-rollback", {"scope": "policies", **found}),
            {(200, "v1")},
        ),
    ],
    ids=["route-weights", "migrate", "rate-limit", "config-rollback"],
)
async def test_an_action_changes_what_callers_get_and_its_inverse_changes_it_back(
    tmp_path: Path,
    name: str,
    arguments: Mapping[str, object],
    inverse: Callable[[Mapping[str, str]], tuple[str, Mapping[str, object]]],
    seen: set[tuple[int, str]],
) -> None:
    async with Mesh(tmp_path) as mesh:
        actions = all_actions(PolicySteering(lambda: mesh.control))

        async def run(name: str, arguments: Mapping[str, object], key: str) -> Mapping[str, str]:
            whose = {} if name == "config-rollback" else {"service": "cart"}
            result = await actions[name].run(actions[name].arguments.model_validate({**whose, **arguments}), key)
            await until(lambda: mesh.control.rollout is not None and mesh.control.rollout.ended, "the rollout ends")
            return result

        outbound = free_port()
        for version in ("v1", "v2"):
            behind, labels = await mesh.upstream(version), {"version": version}
            await mesh.envoy("cart", inbound=free_port(), address="127.0.0.1", application=behind.port, labels=labels)
        await mesh.envoy("front", outbound=outbound)
        await mesh.publish(FIRST)
        await mesh.publish(BOTH)
        async with Connection(outbound) as kept:
            async with asyncio.timeout(60):
                while set(await answers(kept)) != PLAIN:
                    pass
            result = await run(name, arguments, "incident/step/do")
            if name == "rate-limit":
                await answers(kept)  # the first of each instance is served
            assert set(await answers(kept)) == seen
            await run(*inverse(result), "incident/step/undo")
            assert set(await answers(kept)) == PLAIN
