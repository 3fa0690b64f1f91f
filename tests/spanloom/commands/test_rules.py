"""`spanloom rules` on files that are not as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from spanloom.commands.rules import rules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("expr", "reason"),
    [("rate(x[500d])", "reads 500d back, but samples are kept for "), ("ratee(x[5m])", "unknown function")],
)
@pytest.mark.parametrize("command", ["check", "backtest"])
def test_what_the_pipeline_would_refuse_is_refused(tmp_path: Path, command: str, expr: str, reason: str) -> None:
    file = tmp_path / "r.yml"
    file.write_text(f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]")
    result = CliRunner().invoke(rules, [command, str(file)])
    assert result.exit_code == 2
    assert reason in result.output
