from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spanloom.chaos.experiment import load_experiment
from spanloom.commands.chaos import SUITE
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """kind: HTTPChaos
name: slow
spec:
  selector: {labelSelectors: {service: payment}}
  delay: 400ms
expect: {alert_within: 30s}
settle: 1m
"""


def test_at_least_eight_experiments_ship_and_each_is_valid() -> None:
    suite = [load_experiment(path) for path in sorted(SUITE.glob("*.yaml"))]
    assert len(suite) >= 8
    assert [experiment.name for experiment in suite] == [path.stem for path in sorted(SUITE.glob("*.yaml"))]
    assert {experiment.kind for experiment in suite} == {"HTTPChaos", "PodChaos", "StressChaos"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("400ms", "400", ":5: spec.delay: must be a duration"),
        ("  delay: 400ms\n", "", ":3: spec"),
        ("HTTPChaos", "PodChaos", ":5: spec.delay: unknown field"),
        ("HTTPChaos", "DiskChaos", ":1: kind: 'DiskChaos' is none of"),
        ("alert_within", "alert_wthin", ":6: expect.alert_wthin: unknown field"),
        ("settle: 1m", "settle: soon", ":7: settle"),
        ("name: slow", "name: Slow One", ":2: name"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(GOOD)
    assert load_experiment(path).service == "payment"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as error:
        load_experiment(path)
    assert f"{path}{complaint}" in str(error.value)
