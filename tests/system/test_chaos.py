"""One quick experiment as its users run it; `make chaos` runs the whole suite."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.system.test_demo import free_ports

ROOT = Path(__file__).parents[2]
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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spanloom.cli", "chaos", "run", str(tmp_path / "experiment.yaml"), "--json"),
        *("--warm-up", "10", "--data-dir", str(tmp_path / "data"), *free_ports()),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, progress = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
    assert process.returncode == 0, out.decode() + progress.decode()
    report = json.loads(out)
    (experiment,) = report["experiments"]
    assert experiment["failed_over"] is True
    assert experiment["wrong"] == report["data"] == []
