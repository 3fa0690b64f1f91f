from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import orjson
import yaml

from governance.files import read_policies
from spanloom.experiments.mesh import sidecar
from spanloom.experiments.mesh.carrier import SERVICE, STEPS, document, settings
from spanloom.experiments.mesh.sidecar import MeshPorts, mesh_ports
from tests.governance.mesh import needs_envoy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PORTS = MeshPorts(*range(24_000, 24_007))


def test_a_release_gives_v2_a_share_and_nothing_else_changes() -> None:
    none, some = (read_policies(document(PORTS, percent), "demo.yml") for percent in (0, 30))
    (rule,) = some.routes[0].rules
    assert {target.labels["version"]: target.weight for target in rule.to} == {"v1": 70, "v2": 30}
    assert {each.labels["version"]: each.port for each in some.services[0].endpoints} == {"v1": 24_003, "v2": 24_004}
    assert none.services == some.services


def test_a_release_step_by_step_is_of_the_same_instances_and_another_release_is_another_plan() -> None:
    weights, first, second = (read_policies(document(PORTS, 0, release), "demo.yml") for release in ("", "1", "2"))
    plans = [policies.routes[0].rules[0].deliver for policies in (first, second)]
    assert plans[0] is not None
    assert plans[1] is not None
    assert (plans[0].old, plans[0].new, plans[0].steps) == ({"version": "v1"}, {"version": "v2"}, STEPS)
    assert plans[0].digest != plans[1].digest
    assert first.services == weights.services


def test_the_playbooks_are_those_that_ship_but_for_carrier(tmp_path: Path) -> None:
    found = settings(PORTS, tmp_path)
    (path,) = orjson.loads(found["SPANLOOM_ALERTING__PLAYBOOKS"])
    ours = yaml.safe_load((tmp_path / path).read_text())
    shipped = yaml.safe_load((files("alerting") / "playbooks" / "default.yml").read_text("utf-8"))
    assert ours != shipped
    for playbook in ours["playbooks"]:
        assert playbook["trigger"]["alert"].pop() == f'service!="{SERVICE}"'
    assert ours == shipped


def test_without_envoy_there_is_no_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "envoy_program", lambda: None)
    assert mesh_ports() is None


def test_its_ports_are_free_and_all_different() -> None:
    needs_envoy()
    found = mesh_ports()
    assert found is not None
    assert found.for_shop() == ("--mesh", *(str(found.inbound + more) for more in range(5)))
