"""One quick experiment as its users run it; `make chaos` runs the whole suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.system
async def test_a_killed_service_fails_over_and_no_telemetry_is_lost(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    experiment_file, data = str(tmp_path / "experiment.yaml"), str(tmp_path / "data")
    report = await run_for_report("chaos", "run", experiment_file, "--warm-up", "10", "--data-dir", data)
    (experiment,) = report["experiments"]
    assert experiment["failed_over"] is True
    assert experiment["wrong"] == report["data"] == []
