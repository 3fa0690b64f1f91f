from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spanloom.commands.chaos import SUITE
from spanloom.experiments.chaos.experiment import HttpChaos, NetworkSpec, load_experiment
from spanloom.experiments.chaos.impairment import Impairment
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
    assert {experiment.kind for experiment in suite} == {"HTTPChaos", "PodChaos", "NetworkChaos", "StressChaos"}


NETWORK = """kind: NetworkChaos
name: far
spec:
  selector: {labelSelectors: {service: payment}}
  action: delay
  delay: {latency: 90ms, jitter: 10ms, correlation: "50"}
  duration: 1m
expect: {downtime_below: 1s}
settle: 1m
"""


def test_the_fields_of_a_network_fault_are_those_of_chaos_mesh(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(NETWORK)
    spec = load_experiment(path).spec
    assert isinstance(spec, NetworkSpec)
    assert spec.direction == "to"
    assert spec.impairment == Impairment(latency=90_000_000, jitter=10_000_000, latency_correlation=0.5)
    for old, new, complaint in (
        ("action: delay", "action: loss", ":3:1: spec: action 'loss' needs `loss`"),
        ('correlation: "50"', 'correlation: "150"', ":6:53: spec.delay.correlation"),
        ("latency: 90ms", "latency: 90", ":6:20: spec.delay.latency: must be a duration"),
        ("duration: 1m\n", "direction: to\n", ":3:1: spec.duration"),
    ):
        path.write_text(NETWORK.replace(old, new))
        with pytest.raises(ConfigError) as error:
            load_experiment(path)
        assert complaint in str(error.value)


def test_no_alert_can_be_expected_of_a_fault_of_the_machine_and_none_of_a_service(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    text = "kind: StressChaos\nname: busy\nspec: {stressors: {cpu: {workers: 1}}, duration: 1s}\nsettle: 1s\nexpect: "
    path.write_text(text + "{no_alert: true}\n")
    assert load_experiment(path).expect.no_alert
    path.write_text(text + "{alert_within: 1s}\n")
    with pytest.raises(ConfigError, match="no one service that an alert could name"):
        load_experiment(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("400ms", "400", ":5:10: spec.delay: must be a duration"),
        ("  delay: 400ms\n", "", ":3:1: spec"),
        ("400ms", "400ms\n  percent: 50", ":3:1: spec: `percent` is of `abort`"),
        ("HTTPChaos", "PodChaos", ":5:3: spec.delay: unknown field"),
        ("HTTPChaos", "DiskChaos", ":1:7: kind: 'DiskChaos' is none of"),
        ("alert_within", "alert_wthin", ":6:10: expect.alert_wthin: unknown field"),
        ("settle: 1m", "settle: soon", ":7:9: settle"),
        ("name: slow", "name: Slow One", ":2:7: name"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(GOOD)
    assert load_experiment(path).service == "payment"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as error:
        load_experiment(path)
    assert f"{path}{complaint}" in str(error.value)


def test_a_fault_through_envoy_ends_at_its_duration_or_with_the_experiment(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    through = GOOD.replace("  delay: 400ms\n", "  delay: 400ms\n  percent: 20\n  through: envoy\n")
    path.write_text(through)
    found = load_experiment(path)
    assert isinstance(found, HttpChaos)
    assert found.lasts == found.settle == 60 * 10**9
    path.write_text(through.replace("  through: envoy\n", "  through: envoy\n  duration: 20s\n"))
    found = load_experiment(path)
    assert isinstance(found, HttpChaos)
    assert found.lasts == 20 * 10**9
    for written, complaint in (
        (through.replace("through: envoy", "duration: 20s"), ":3:1: spec: `duration` is of `through: envoy`"),
        (through.replace("through: envoy", "through: service"), ":3:1: spec: `percent` is of `abort`"),
        (through.replace("through: envoy", "through: nginx"), ":7:12: spec.through"),
    ):
        path.write_text(written)
        with pytest.raises(ConfigError) as error:
            load_experiment(path)
        assert complaint in str(error.value)
