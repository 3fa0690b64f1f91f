"""The rules that ship with Spanloom, tested in promtool's format; promtool comes to the same verdict."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alerting.rules.unit_tests import run_tests
from pipeline.acting.config import ActConfig
from processors.detectors.detector import ALARM

TESTS = Path(__file__).with_name("default_rules_test.yml")
PROMTOOL = shutil.which("promtool")


def test_the_default_rules_fire_when_they_should_and_not_else() -> None:
    checks, failures = run_tests(TESTS)
    assert checks == 12
    assert "\n".join(map(str, failures)) == ""


@pytest.mark.parametrize("file", ["default_rules.yml", "playbooks/default.yml"])
def test_a_score_that_alarms_is_the_same_everywhere(file: str) -> None:
    text = (TESTS.parents[3] / "alerting" / file).read_text()
    thresholds = re.findall(r"spanloom_anomaly_score\{[^}]*\}\[30s\]\)\) >= ([0-9.]+)", text)
    assert {float(threshold) for threshold in thresholds} == {ALARM} == {ActConfig().rank_score}


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)")
def test_promtool_agrees(tmp_path: Path) -> None:
    # Prometheus 2.42 has no keep_firing_for, which came with 2.43: it changes when an alert ends, not whether it fires.
    rules = TESTS.parents[3] / "alerting" / "default_rules.yml"
    older = "".join(line for line in rules.read_text().splitlines(keepends=True) if "keep_firing_for" not in line)
    (tmp_path / "rules.yml").write_text(older)
    (tmp_path / "tests.yml").write_text(TESTS.read_text().replace("../../../alerting/default_rules.yml", "rules.yml"))
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
