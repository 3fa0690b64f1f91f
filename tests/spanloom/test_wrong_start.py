"""What a person wrote wrong ends a start with one line and exit code 2: no traceback, and no supervisor that tries again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanloom.cli import main

PROCESSES = {
    "up": {},
    "collector": {"SPANLOOM_LOG": "kafka://127.0.0.1:9"},
    "worker": {"SPANLOOM_LOG": "kafka://127.0.0.1:9", "SPANLOOM_STORE": "http://127.0.0.1:9"},
    "console": {"SPANLOOM_STORE": "http://127.0.0.1:9"},
    "control": {},
    "agent": {"SPANLOOM_AGENT__SERVICE": "cart", "SPANLOOM_AGENT__CONTROL__ADDRESS": "127.0.0.1:9"},
}
MISTAKES = {
    "a misspelt variable": (
        {"SPANLOOM_NAMESPCE": "x"},
        None,
        "SPANLOOM_NAMESPCE: there is no such setting; did you mean SPANLOOM_NAMESPACE?",
    ),
    "a misspelt part of one": (
        {"SPANLOOM_CONSOLE__PROT": "1"},
        None,
        "SPANLOOM_CONSOLE__PROT: console.prot: there is no such setting; did you mean port?",
    ),
    "no number": (
        {"SPANLOOM_CONSOLE__PORT": "abc"},
        None,
        "SPANLOOM_CONSOLE__PORT: console.port: Input should be a valid integer",
    ),
    "another log": ({"SPANLOOM_LOG": "kafkaa://x"}, None, "SPANLOOM_LOG: log: must be log://DIR or kafka://HOST:PORT"),
    "another store": (
        {"SPANLOOM_STORE": "htp://x"},
        None,
        "SPANLOOM_STORE: store: must be duckdb://FILE or http(s)://HOST:PORT, not 'htp://x'",
    ),
    "no YAML": ({}, "a: [\n", "c.yml:2:1: "),
    "no settings": ({}, "- a\n", "c.yml:1:1: must be settings and their values"),
    "no text": ({}, b"\xff\xfe\x00", "c.yml: not UTF-8, at byte 0"),
    "a misspelt setting": ({}, "consol:\n  port: 1\n", "c.yml:1:1: consol: there is no such setting; did you mean console?"),
    "a misspelt level": (
        {"SPANLOOM_LOG_LEVEL": "loud"},
        None,
        "SPANLOOM_LOG_LEVEL: 'loud' is none of debug, info, warning, error",
    ),
    "a text for a section": (
        {"SPANLOOM_ALERTING": "x"},
        None,
        "SPANLOOM_ALERTING: alerting: must be JSON, or set SPANLOOM_ALERTING__RULES",
    ),
    "a list that is none": (
        {"SPANLOOM_ALERTING__RULES": "x.yml"},
        None,
        "SPANLOOM_ALERTING__RULES: alerting.rules: must be JSON",
    ),
    "a section of the wrong kind": ({}, "console: [1]\n", "c.yml:1:1: console: "),
    "no file": ({"SPANLOOM_CONFIG": "nowhere.yml"}, None, "nowhere.yml: No such file or directory"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("process", PROCESSES)
def test_a_mistake_of_the_configuration(process: str, mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables, content, said = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPANLOOM_")]:
        monkeypatch.delenv(name)
    for name, value in ({"SPANLOOM_DATA_DIR": str(tmp_path / "data")} | PROCESSES[process] | variables).items():
        monkeypatch.setenv(name, value)
    command = [process]
    if content is not None:
        Path("c.yml").write_bytes(content if isinstance(content, bytes) else content.encode())
        command += ["--config", "c.yml"]
    done = CliRunner().invoke(main, command, prog_name="spanloom")
    assert done.stderr.startswith(f"spanloom: {said}"), done.output
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert not Path("data").exists(), "nothing is made before the configuration is right"
