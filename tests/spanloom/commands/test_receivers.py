"""`spanloom receivers check`, and the files of the guide for who comes from Alertmanager."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from spanloom.commands.receivers import receivers
from spanloom.config import load_config

GUIDE = Path(__file__).parents[3] / "docs" / "from-alertmanager.md"


def examples(name: str) -> list[str]:
    """The YAML examples of the guide that begin with a file's name."""
    return [text for text in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL) if text.startswith(f"# {name}")]


def test_check_says_what_a_good_file_has_and_every_mistake_of_bad_ones(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(
        "route: {receiver: a, routes: [{receiver: b}]}\n"
        "receivers: [{name: a}, {name: b, slack_configs: [{api_url: 'http://x'}]}, {name: c}]\n"
    )
    bad.write_text("route: {receiver: z}\nreceivers: [{name: a, jira_configs: [{}]}]\n")
    result = CliRunner().invoke(receivers, ["check", str(good)])
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            f"{good}: 2 routes, 0 inhibition rules, 0 time intervals",
            f"{good}: a: nobody is notified",
            f"{good}: b: slack",
            f"{good}: c: nobody is notified (no route leads to it)",
        ],
    )
    result = CliRunner().invoke(receivers, ["check", str(good), str(bad)])
    assert result.exit_code == 2
    assert [line for line in result.output.splitlines() if "bad.yml" in line] == [
        f'spanloom: {bad}:1:19: receiver "z" is not defined',
        f"{bad}:2:38: receivers[0].jira_configs[0].project: is missing",
        f"{bad}:2:38: receivers[0].jira_configs[0].issue_type: is missing",
    ]


def test_the_guides_alertmanager_file_is_accepted_and_said_as_it_shows(tmp_path: Path) -> None:
    (text,) = examples("alertmanager.yml")
    path = tmp_path / "alertmanager.yml"
    path.write_text(text)
    result = CliRunner().invoke(receivers, ["check", str(path)])
    assert result.exit_code == 0, result.output
    shown = re.search(r"\$ spanloom receivers check alertmanager.yml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert shown is not None
    assert result.output.replace(f"{tmp_path}/", "") == shown[1]


def test_the_guides_configurations_are_accepted(tmp_path: Path) -> None:
    found = examples("spanloom.yml")
    assert len(found) == 2
    for i, text in enumerate(found):
        path = tmp_path / f"{i}.yml"
        path.write_text(text)
        assert load_config(path).alerting.external_labels == {"cluster": "eu-1"}
