from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.model.load import PlaybookError, load_playbooks
from tests.alerting.playbooks.all_actions import all_actions
from tests.alerting.playbooks.world import PLAYBOOK, Processes, verbs

ACTIONS = all_actions(supervisor=SupervisorConfig(url="http://127.0.0.1:1"))


def refused(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yml"
    path.write_text(text)
    with pytest.raises(PlaybookError) as error:
        load_playbooks([path], verbs(Processes()))
    return [line.removeprefix(f"{path}:") for line in str(error.value).splitlines()]


def test_the_default_playbook_is_valid_and_its_steps_are_isolate_restart_restore() -> None:
    path = Path(str(files("alerting.playbooks") / "default.yml"))
    (playbook,) = load_playbooks([path], ACTIONS)
    assert [(step.action, step.undo) for step in playbook.steps] == [
        ("isolate", ""),
        ("restart", ""),
        ("", "take-out-of-traffic"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("cooldown: 1m", "cooldown: 5", "7:15: playbooks[0].cooldown: must be a duration with its unit"),
        ("cooldown: 1m", "cooldwn: 1m", "7:5: playbooks[0].cooldwn: unknown field; did you mean cooldown?"),
        ("""severity="critical\"""", 'severity=~"("', "4:34: playbooks[0].trigger.alert: regular expression"),
        ("timeout: 10s", "timeout: 0s", "18:18: playbooks[0].steps[1].timeout: must be longer than 0s"),
        ("        inverse: none\n", "", "15:9: playbooks[0].steps[1]: needs an `inverse`"),
        ("action: restart", "action: restrt", "16:17: playbooks[0].steps[1].action: unknown action 'restrt'; there are drain"),
        ("restore, with: {name:", "restore, with: {nme:", "14:36: playbooks[0].steps[0].inverse.with.name: is missing"),
        ("action: restore", "action: restart", "14:27: playbooks[0].steps[0].inverse.action: 'restart' may not run twice"),
        ("undo: out", "undo: restart", "3:5: playbooks[0]: step 'in': undo: no earlier step 'restart' that has an inverse"),
        ("name: restart", "name: out", "3:5: playbooks[0]: two steps have the name 'out'"),
        ("within: 30s", "within: 5s", "22:5: playbooks[0].verify: `for` must be shorter than `within`"),
        ("expr: healthy", "expr: ratee(x[5m]) or healthy", '23:13: playbooks[0].verify.expr: unknown function "ratee"'),
        (
            "expr: healthy",
            """expr: up{a="$service"} or nosuch(x) or healthy""",
            '23:33: playbooks[0].verify.expr: unknown function "nosuch"',
        ),
        (
            "$service/$instance}\n        timeout: 10s",
            "a$-}\n        timeout: 10s",
            "3:5: playbooks[0]: 'a$-': a $ that begins",
        ),
        (
            "name: $service/$instance}\n        timeout: 5s",
            "name: $result_x}\n        timeout: 5s",
            "3:5: playbooks[0]: $result_x",
        ),
        ("approve: automatic", "approve: {human: soon}", '6:22: playbooks[0].approve.human: "soon" is not a duration'),
        ("playbooks:", "playbooks: []\nplaybooks:", '3:1: duplicate key "playbooks"'),
        ("cooldown: 1m", "cooldown: [", "9:"),
    ],
)
def test_every_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in PLAYBOOK
    lines = refused(tmp_path, PLAYBOOK.replace(old, new, 1))
    assert any(line.startswith(complaint) for line in lines), lines


def test_all_mistakes_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(PLAYBOOK)
    bad.write_text(PLAYBOOK.replace("cooldown: 1m", "cooldown: 5").replace("timeout: 5s", "timeout: five"))
    with pytest.raises(PlaybookError) as error:
        load_playbooks([good, bad, tmp_path / "none.yml"], verbs(Processes()))
    assert len(str(error.value).splitlines()) == 3


def test_a_name_can_be_taken_once_over_all_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text(PLAYBOOK)
    two.write_text(PLAYBOOK)
    with pytest.raises(PlaybookError, match=r"two.yml:3:\d+: the name 'repair' is already used in .*one.yml:3"):
        load_playbooks([one, two], verbs(Processes()))


def test_via_names_only_what_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text(PLAYBOOK.replace("with: {name:", "with: {via: docker, name:"))
    with pytest.raises(PlaybookError, match=r"with.via: Input should be 'supervisor'"):
        load_playbooks([path], ACTIONS)
