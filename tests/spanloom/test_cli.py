"""How commands fail: one line with one prefix on the standard error, and one rule for the exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from spanloom.cli import COMMANDS, main
from spanloom.failure import Commands

NOBODY = "http://127.0.0.1:9"
"""Where nothing answers: the port of a protocol that nobody serves any more."""

FILES = {
    "rules.yml": "groups:\n- name: shop\n  rules:\n  - alert: A\n    expr: rate(foo[5m)\n",
    "receivers.yml": "route: {receiver: z}\n",
    "playbooks.yml": "playbooks:\n- nme: a\n",
    "policy.yml": "servcies: {}\n",
    "config.yml": "assemble: {queit: 3}\n",
    "spans.jsonl": '{"resourceSpans":[7]}\n',
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPANLOOM_URL", NOBODY)
    monkeypatch.setenv("SPANLOOM_DATA_DIR", str(tmp_path / "data"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("rules check rules.yml", 2, 'rules.yml:5:22: group "shop": expr: '),
        ("rules test rules.yml", 2, "rules.yml:1:1: tests: is missing"),
        ("rules backtest rules.yml", 2, 'rules.yml:5:22: group "shop": expr: '),
        ("receivers check receivers.yml", 2, 'receivers.yml:1:19: receiver "z" is not defined'),
        ("playbooks check playbooks.yml", 2, "playbooks.yml:2:3: playbooks[0].name: is missing"),
        ("playbooks dry-run playbooks.yml --label a=b", 2, "playbooks.yml:2:3: playbooks[0].name: is missing"),
        ("policy check policy.yml", 2, "policy.yml:1:1: servcies: "),
        ("policy explain policy.yml --to cart", 2, "policy.yml:1:1: servcies: "),
        ("config check config.yml", 2, "config.yml:1:12: assemble.queit: there is no such setting; did you mean quiet?"),
        ("config show --config config.yml", 2, "config.yml:1:12: assemble.queit: "),
        ("up --config config.yml", 2, "config.yml:1:12: assemble.queit: "),
        ("dlq list --config config.yml", 2, "config.yml:1:12: assemble.queit: "),
        ("setup kafka", 2, "log: "),
        ("rulse", 2, "No such command 'rulse'; did you mean rules? (see spanloom --help)"),
        ("rules chekc rules.yml", 2, "No such command 'chekc'; did you mean check? (see spanloom rules --help)"),
        ("zzz", 2, "No such command 'zzz' (see spanloom --help)"),
        (
            "up --config nowhere.yml",
            2,
            "Invalid value for '--config': File 'nowhere.yml' does not exist (see spanloom up --help)",
        ),
        ("--log-level loud status", 2, "Invalid value for '--log-level': 'loud' is not one of"),
        ("worker --stages store", 2, "Invalid value for '--stages': store: the stages are rekey"),
        ("explain zz", 2, "Invalid value for TRACE_ID: 'zz' is not 32 hex digits (see spanloom explain --help)"),
        ("audit show", 2, "Missing argument 'INCIDENT' (see spanloom audit show --help)"),
        ("replay spans.jsonl", 1, "spans.jsonl:1: resourceSpans[0]: must be an object, not 7"),
        ("analyse spans.jsonl --out out", 1, "spans.jsonl:1: resourceSpans[0]: must be an object, not 7"),
        ("status", 1, f"{NOBODY}/readyz: "),
        ("traces", 1, f"{NOBODY}/api/v1/find: "),
        ("alerts", 1, f"{NOBODY}/api/v2/alerts: "),
        ("silence list", 1, f"{NOBODY}/api/v2/silences: "),
        ("anomalies list", 1, f"{NOBODY}/api/v1/anomalies?"),
        ("anomalies mark abc maybe", 2, "Invalid value for '{right|wrong|expected}': 'maybe' is not one of"),
        ("rankings mark abc right", 1, f"{NOBODY}/api/v1/rankings/abc/mark: "),
        ("audit verify", 1, f"{NOBODY}/api/v1/find: "),
        ("explain 4bf92f3577b34da6a3ce929d0e0e4736", 1, f"{NOBODY}/api/v1/traces/"),
        ("fleet list", 1, f"{NOBODY}/api/v1/fleet: "),
        ("policy history", 1, f"{NOBODY}/api/v1/policies: "),
        ("playbooks backtest nothing.yml", 2, "Invalid value for 'FILES...': File 'nothing.yml' does not exist"),
    ],
)
def test_a_command_that_fails_says_why_after_one_prefix(command: str, code: int, said: str) -> None:
    done = CliRunner().invoke(main, command.split(), prog_name="spanloom")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Usage: ")]
    assert lines[0].startswith(f"spanloom: {said}"), done.output
    assert done.exit_code == code
    assert "Traceback" not in done.stderr
    assert "Error:" not in done.stderr
    assert done.stdout == ""


def commands() -> dict[str, click.Command | None]:
    context = main.make_context("spanloom", ["--help"], resilient_parsing=True)
    return {name: main.get_command(context, name) for name in COMMANDS}


def test_every_group_names_the_command_that_was_meant() -> None:
    groups = {name: group for name, group in commands().items() if isinstance(group, click.Group)}
    assert groups.keys() > {"rules", "policy", "config"}
    assert {name for name, group in groups.items() if not isinstance(group, Commands)} == set()


def test_the_page_about_the_terminal_has_every_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "on-a-terminal.md").read_text()
    named = [text.partition(" ") for text in re.findall(r"`([a-z][a-z |\\-]*)`", page)]
    known = {f"{group} {one}".strip() for group, _, rest in named for one in rest.split("\\|")}
    below = {name: list(group.commands) for name, group in commands().items() if isinstance(group, click.Group)}
    wanted = [f"{name} {one}" for name, subcommands in below.items() for one in subcommands]
    wanted += [name for name in COMMANDS if name not in below]
    assert [command for command in wanted if command not in known and f"spanloom {command}" not in page] == []


def test_nothing_to_list_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["dlq", "list"])
    assert (done.exit_code, done.stdout) == (0, "no dead letter\n")
    assert CliRunner().invoke(main, ["dlq", "list", "--json"]).stdout == ""
    (tmp_path / "trail.jsonl").write_text("")
    done = CliRunner().invoke(main, ["audit", "verify", str(tmp_path / "trail.jsonl")])
    assert (done.exit_code, done.stderr) == (1, "there is no audit trail\n")


def test_an_answer_is_asked_for_and_none_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "data" / "log").mkdir(parents=True)
    done = CliRunner().invoke(main, ["log", "repair"], input="")
    assert done.exit_code == 1
    assert done.stderr.endswith("spanloom: aborted\n")


def test_the_sources_of_settings_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text("namespace: eu\nconsole: 0.0.0.0:8081\ntopics: {partitions: 7, retention_hours: 2}\n")
    monkeypatch.setenv("SPANLOOM_TOPICS__PARTITIONS", "9")
    monkeypatch.setenv("SPANLOOM_RETENTION", '{"days": 3}')
    monkeypatch.setenv("SPANLOOM_ELASTICSEARCH__API_KEY", "s3cret-of-kafka")
    done = CliRunner().invoke(main, ["config", "show", "--sources", "--config", "s.yml", "--json"])
    rows = {row["setting"]: (row["value"], row["source"]) for row in json.loads(done.stdout)}
    assert rows["namespace"] == ("eu", "s.yml:1:12")
    assert rows["console.port"] == (8081, "s.yml:2:10")
    assert rows["console.limits.max_connections"][1] == "default"
    assert rows["topics.partitions"] == (9, "SPANLOOM_TOPICS__PARTITIONS")
    assert rows["topics.retention_hours"] == (2, "s.yml:3:42")
    assert rows["retention.days"] == (3, "SPANLOOM_RETENTION")
    assert rows["retention.max_bytes"][1] == "default"
    text = CliRunner().invoke(main, ["config", "show", "--sources", "--config", "s.yml"]).stdout
    assert "topics.partitions = 9  # SPANLOOM_TOPICS__PARTITIONS\n" in text
    assert "s3cret" not in text


def test_a_variable_that_sets_nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_NOSUCH", "1")
    monkeypatch.setenv("SPANLOOM_WEB_SERVICE_PORT_HTTP", "80")  # Kubernetes, for a service of the name spanloom-web
    monkeypatch.setenv("SPANLOOM_WEB_PORT_80_TCP_PROTO", "tcp")
    done = CliRunner().invoke(main, ["config", "check"])
    assert (done.exit_code, done.stdout) == (0, "the environment: no mistakes\n")
    assert "SPANLOOM_NOSUCH is no setting: it is ignored\n" in done.stderr
    assert "SPANLOOM_WEB" not in done.stderr


def test_the_installed_command_and_the_shells_completion() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spanloom.cli", "rulse"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean rules?" in done.stderr
    completed = CliRunner().invoke(
        main,
        [],
        prog_name="spanloom",
        env={"_SPANLOOM_COMPLETE": "bash_complete", "COMP_WORDS": "spanloom ru", "COMP_CWORD": "1"},
    )
    assert completed.stdout == "plain,rules\n"
