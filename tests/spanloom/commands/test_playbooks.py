from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerting.playbooks.backtest import History
from spanloom.commands import playbooks as module
from spanloom.commands.playbooks import playbooks
from tests.alerting.playbooks.test_backtest import EDGES, reported

DEFAULT = str(files("alerting.playbooks") / "default.yml")


def test_check_counts_the_steps_of_good_files_and_names_the_line_of_a_mistake(tmp_path: Path) -> None:
    result = CliRunner().invoke(playbooks, ["check", DEFAULT])
    assert (result.exit_code, result.output) == (0, "restart-degraded-service: 3 steps\n")
    bad = tmp_path / "bad.yml"
    bad.write_text("playbooks:\n  - name: Bad Name\n")
    result = CliRunner().invoke(playbooks, ["check", str(bad)])
    assert result.exit_code == 2
    assert f"{bad}:2:11: playbooks[0].name:" in result.output


@pytest.mark.parametrize(
    ("via", "name"), [("kubernetes", "deployment/$service"), ("docker", "cart"), ("systemd", "cart.service")]
)
def test_a_playbook_may_reach_its_target_by_any_way_there_is(via: str, name: str, tmp_path: Path) -> None:
    text = Path(DEFAULT).read_text("utf-8")
    step = f"{{name: again, action: restart, with: {{via: {via}, name: {name}}}, timeout: 9s, inverse: none}}"
    file = tmp_path / "playbooks.yml"
    file.write_text(re.sub(r"( +)steps:\n", rf"\1steps:\n\1  - {step}\n", text))
    for arguments in (["check"], ["dry-run", "--label", "alertname=ServiceCulprit", "--label", "service=cart"]):
        result = CliRunner().invoke(playbooks, [*arguments, str(file)])
        assert result.exit_code == 0, result.output


def test_a_program_that_the_configuration_names_may_get_a_label_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(DEFAULT).read_text("utf-8")
    command = "{command: [/opt/runbooks/restart.sh, --, $service]}"
    step = f"{{name: again, action: command, with: {command}, timeout: 9s, inverse: none}}"
    file, config = tmp_path / "playbooks.yml", tmp_path / "spanloom.yml"
    file.write_text(re.sub(r"( +)steps:\n", rf"\1steps:\n\1  - {step}\n", text))
    config.write_text("alerting: {actions: {command: {programs: [/opt/runbooks/restart.sh]}}}")
    labels = ["--label", "alertname=ServiceCulprit", "--label", "service=cart"]
    for arguments in (["check", str(file)], ["dry-run", str(file), *labels]):
        refused = CliRunner().invoke(playbooks, arguments)
        assert refused.exit_code == 2
        assert f"{file}:" in refused.output
        assert "alerting.actions.command.programs" in refused.output
        accepted = CliRunner().invoke(playbooks, [*arguments, "--config", str(config)])
        assert accepted.exit_code == 0, accepted.output
        monkeypatch.setenv("SPANLOOM_CONFIG", "")  # the option is kept in it


def test_dry_run_shows_the_steps_with_the_labels_put_in() -> None:
    arguments = ["dry-run", DEFAULT, "--label", "alertname=ServiceCulprit", "--label", "service=cart", "--json"]
    plan = json.loads(CliRunner().invoke(playbooks, arguments).output)
    assert [(step["action"], step["arguments"]["name"]) for step in plan["steps"]] == [
        ("isolate", "cart"),
        ("restart", "cart"),
        ("restore", "cart"),
    ]
    assert 'server="cart"' in plan["verify"]
    assert "cart" in CliRunner().invoke(playbooks, arguments[:-1]).output


def test_of_a_service_with_a_namespace_the_target_has_both_and_the_deployment_is_called_by_its_name() -> None:
    arguments = ["dry-run", DEFAULT, "--label", "alertname=ServiceCulprit", "--label", "service=shop/cart", "--json"]
    plan = json.loads(CliRunner().invoke(playbooks, arguments).output)
    assert (plan["service"], {step["arguments"]["name"] for step in plan["steps"]}) == ("shop/cart", {"cart"})
    assert 'server="shop/cart"' in plan["verify"]


def test_dry_run_says_what_is_missing() -> None:
    result = CliRunner().invoke(playbooks, ["dry-run", DEFAULT, "--label", "alertname=Other"])
    assert result.exit_code == 1
    assert "no playbook answers" in result.output
    result = CliRunner().invoke(playbooks, ["dry-run", DEFAULT, "--label", "alertname=ServiceCulprit"])
    assert "needs the label service" in result.output
    assert CliRunner().invoke(playbooks, ["dry-run", DEFAULT, "--label", "x"]).exit_code == 2


def test_backtest_prints_each_run_and_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def history(_url: str) -> History:
        alerts = [reported("cart", "firing", 1), reported("cart", "resolved", 61)]
        for alert in alerts:
            alert["labels"]["alertname"] = "ServiceCulprit"
        return History(alerts, EDGES)

    monkeypatch.setattr(module, "_history", history)
    result = CliRunner().invoke(playbooks, ["backtest", DEFAULT])
    assert result.exit_code == 0, result.output
    assert "restart-degraded-service on cart: not needed: the alert resolved by itself after 60 s" in result.output
    assert "2 alert changes, 1 runs, 0 refusals" in result.output
    config = tmp_path / "spanloom.yml"
    config.write_text("alerting: {safety: {max_traffic_share: 0.1}}\n")
    result = CliRunner().invoke(playbooks, ["backtest", DEFAULT, "--config", str(config)])
    assert "restart-degraded-service refused: it would touch 33% of all calls, the budget is 10%" in result.output
