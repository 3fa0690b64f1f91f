"""Two quick experiments as their users run them; `make chaos` runs the whole suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from governance.files import read_policies
from governance.stores.sqlite import SqliteStore
from tests.governance.mesh import needs_envoy
from tests.system.exactness import QUICK
from tests.system.test_demo import run_for_report

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = """
kind: PodChaos
name: payment-killed
spec:
  selector: {labelSelectors: {service: payment}}
  action: pod-kill
expect:
  failover: true
  downtime_below: 5s
  lost_below: 20
settle: 12s
"""

THROUGH_ENVOY = """
kind: HTTPChaos
name: delivery-aborted
spec:
  selector: {labelSelectors: {service: delivery}}
  abort: true
  percent: 60
  through: envoy
  duration: 60s
expect:
  culprit_first: true
settle: 70s
"""

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


async def test_a_killed_service_fails_over_and_no_telemetry_is_lost(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    experiment_file, data = str(tmp_path / "experiment.yaml"), str(tmp_path / "data")
    report = await run_for_report("chaos", "run", experiment_file, "--warm-up", "10", "--data-dir", data)
    (experiment,) = report["experiments"]
    assert experiment["failed_over"] is True
    assert experiment["wrong"] == report["data"] == []


async def test_a_fault_of_envoy_is_found_in_the_service_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_envoy()
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "experiment.yaml").write_text(THROUGH_ENVOY)
    experiment_file, data = str(tmp_path / "experiment.yaml"), str(tmp_path / "data")
    report = await run_for_report("chaos", "run", experiment_file, "--warm-up", "15", "--data-dir", data)
    (experiment,) = report["experiments"]
    assert experiment["culprit_first"] is True
    assert experiment["lost"] > 0, "users felt it: the service's own process answers nothing of it"
    assert experiment["wrong"] == report["data"] == []
    policies = SqliteStore(tmp_path / "data" / "control" / "control.sqlite")
    released = [read_policies(each.text, each.number) for each in await policies.history(10)]
    await policies.close()
    assert [[(each.service, each.name) for each in revision.faults] for revision in released] == [
        [],
        [("delivery", "chaos-run")],
        [],
    ]
