"""What playbooks do through the control plane."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from alerting.playbooks.actions.action import ActionError
from governance.compile.site import Site
from governance.steering import PolicySteering
from tests.governance.mesh import Mesh, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SHOP = """
services:
  - name: pay
    endpoints:
      - {address: 127.0.0.1, port: 9001, labels: {version: v1}}
      - {address: 127.0.0.1, port: 9002, labels: {version: v2}}
      - {address: 127.0.0.1, port: 9003, labels: {version: v2}}
limits: [{name: ours, service: pay, requests: 100, per: 1s}]
"""
CANARY = (
    SHOP
    + """
routes:
  - name: pay-canary
    service: pay
    rules:
      - {match: {headers: [{name: x-beta}]}, to: [{labels: {version: v2}}]}
      - {to: [{labels: {version: v1}, weight: 90}, {labels: {version: v2}, weight: 10}]}
"""
)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with Mesh(tmp_path) as made:
        await made.publish(SHOP)
        yield made


async def settled(mesh: Mesh) -> str:
    """The text of the revision that all have."""
    await until(lambda: mesh.control.rollout is None or mesh.control.rollout.ended, "the rollout ends")
    found = await mesh.store.get(mesh.control.stable)
    assert found is not None
    return found.text


async def test_weights_are_set_and_their_inverse_sets_them_back(mesh: Mesh) -> None:
    steering = PolicySteering(lambda: mesh.control)
    before = await steering.set_weights("pay", {"v1": 100, "v2": 0}, "1/do")
    assert before == {"v1": 1, "v2": 2}, "as many as there are instances: so requests were shared"
    assert "weight: 100" in await settled(mesh)
    assert await steering.set_weights("pay", {"v1": 0, "v2": 1}, "1/do") == before, "the same call again changes nothing"
    assert await steering.set_weights("pay", before, "1/undo") == {"v1": 100, "v2": 0}
    assert "weight: 2" in await settled(mesh)


async def test_rules_with_a_condition_stay(mesh: Mesh) -> None:
    await mesh.publish(CANARY)
    before = await PolicySteering(lambda: mesh.control).set_weights("pay", {"v1": 100, "v2": 0}, "1/do")
    assert before == {"v1": 90, "v2": 10}
    text = await settled(mesh)
    assert text.index("x-beta") < text.index("weight: 100")
    assert "weight: 90" not in text


@pytest.mark.parametrize(("per_second", "requests", "per"), [(10.0, 10, "1000ms"), (0.5, 1, "2000ms"), (3.0, 3, "1000ms")])
async def test_a_limit_is_set_beside_those_of_people_and_taken_away(
    mesh: Mesh, per_second: float, requests: int, per: str
) -> None:
    steering = PolicySteering(lambda: mesh.control)
    assert await steering.set_rate_limit("pay", per_second, "1/do") is None
    text = await settled(mesh)
    assert f"requests: {requests}\n  per: {per}\n" in text
    assert "name: ours" in text
    assert await steering.set_rate_limit("pay", per_second, "1/do") is None
    assert await steering.set_rate_limit("pay", None, "1/undo") == per_second
    assert "pay-playbook" not in await settled(mesh)


async def test_a_rollback_takes_back_what_is_on_its_way_else_the_revision_before(mesh: Mesh) -> None:
    steering = PolicySteering(lambda: mesh.control)
    await mesh.publish(CANARY)
    assert await steering.roll_back("policies", "", "1/do") == "2"
    assert await settled(mesh) == SHOP
    assert await steering.roll_back("policies", "", "1/do") == "2", "the same call again changes nothing"
    assert mesh.control.stable == "3"
    assert await steering.roll_back("policies", "2", "2/do") == "3"
    assert await settled(mesh) == CANARY


async def test_a_revision_on_its_way_is_taken_back(mesh: Mesh) -> None:
    away = {"place": asdict(Site("pay")), "peer": "", "reached": "1"}
    mesh.control.fleet.restore([("pay-1", away, ())])  # it is waited for
    await mesh.control.publish(CANARY, "canary.yml", "ann")
    assert await PolicySteering(lambda: mesh.control).roll_back("policies", "", "1/do") == "2"
    assert mesh.control.stable == "1"
    assert await settled(mesh) == SHOP


@pytest.mark.parametrize(
    ("weights", "reason"),
    [({"v1": 1, "v3": 1}, "no instance has the label version=v3")],
)
async def test_what_cannot_be_done_is_refused(mesh: Mesh, weights: dict[str, int], reason: str) -> None:
    steering = PolicySteering(lambda: mesh.control)
    with pytest.raises(ActionError, match=reason):
        await steering.set_weights("pay", weights, "1/do")
    with pytest.raises(ActionError, match="scope 'rules' is none of policies"):
        await steering.roll_back("rules", "", "1/do")
    with pytest.raises(ActionError, match="there is no control plane here"):
        await PolicySteering(lambda: None).set_rate_limit("pay", 1.0, "1/do")
    assert mesh.control.stable == "1"
