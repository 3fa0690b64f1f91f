"""The rules about Spanloom itself: promtool and we read them alike, and they name metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerting.rules.unit_tests import run_tests
from spanloom.commands.rules import rules

TESTS = Path(__file__).with_name("spanloom_rules_test.yml")
ROOT = TESTS.parents[2]
RULES = ROOT / "deploy/prometheus/spanloom_rules.yml"
PROMTOOL = shutil.which("promtool")


def test_each_rule_fires_when_it_should_and_not_else() -> None:
    checks, failures = run_tests(TESTS)
    assert "\n".join(map(str, failures)) == ""
    assert checks == 2 * RULES.read_text().count("- alert:")


def test_they_are_rules_for_us_and_name_metrics_of_the_reference() -> None:
    done = CliRunner().invoke(rules, ["check", str(RULES)])
    assert done.exit_code == 0, done.output
    shown = (ROOT / "docs/reference/metrics.md").read_text()
    named = set(re.findall(r"\bspanloom_[a-z_]+", RULES.read_text()))
    assert named
    assert [name for name in named if f"`{name}`" not in shown] == []


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)")
@pytest.mark.parametrize("arguments", [("check", "rules", RULES), ("test", "rules", TESTS)])
def test_promtool_agrees(arguments: tuple[str | Path, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
