from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from spanloom.commands import chaos as module
from spanloom.commands.chaos import SUITE, chaos

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from spanloom.experiments.chaos.experiment import Experiment
    from telemetry.documents import Body

REPORT = {
    "name": "payment-slow", "detected": 6.0, "alerted": 20.0, "repaired": None, "verified": None,
    "culprit_first": True, "failed_over": False, "downtime": 1.5, "lost": 3, "taken_over": 4, "load": 0.7,
}  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, wrong: list[str], lost: list[str], *options: str) -> tuple[int, str]:
    class Ran:
        def __init__(self, *_: object) -> None:
            pass

        async def run(self, experiments: Sequence[Experiment]) -> tuple[list[Body], list[str]]:
            assert [experiment.name for experiment in experiments] == ["payment-slow"]
            return [REPORT | {"wrong": wrong}], lost

    monkeypatch.setattr(module, "Chaos", Ran)
    result = CliRunner().invoke(chaos, ["run", str(SUITE / "payment-slow.yaml"), *options])
    return result.exit_code, result.stdout


def test_the_table_has_the_times_and_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = run(monkeypatch, [], [])
    assert code == 0
    assert output.splitlines()[1].split() == [
        "payment-slow",
        "6.0s",
        "20.0s",
        "-",
        "-",
        "1.5s",
        "3",
        "4",
        "0.7",
        "as",
        "expected",
    ]


def test_a_skipped_experiment_is_a_line_of_the_table() -> None:
    skipped = {"name": "payment-far", "skipped": "NetworkChaos needs root", "wrong": []}
    assert module._table([skipped]).splitlines()[1].split(None, 1) == ["payment-far", "SKIPPED: NetworkChaos needs root"]


def test_an_expectation_not_met_or_data_lost_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = run(monkeypatch, ["failover: no other instance took the traffic"], [], "--json")
    assert code == 1
    assert json.loads(output)["experiments"][0]["wrong"]
    assert run(monkeypatch, [], ["10 spans were sent but 9 are stored"])[0] == 1


def test_no_experiment_is_a_wrong_question_and_a_bad_one_is_named() -> None:
    assert CliRunner().invoke(chaos, ["run"]).exit_code == 2
    result = CliRunner().invoke(chaos, ["run", __file__])
    assert result.exit_code == 2
    assert __file__ in result.output
