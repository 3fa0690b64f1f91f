from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from click.testing import CliRunner

from components.access.tokens import Tokens, is_token
from spanloom.cli import main
from spanloom.config import load_config

if TYPE_CHECKING:
    import pytest


def test_a_new_token_is_printed_once_with_the_lines_that_make_the_configuration_accept_it() -> None:
    result = CliRunner().invoke(main, ["token", "new", "--role", "operator", "--name", "ann"])
    token, _, lines = result.stdout.partition("\n\n")
    tokens = load_config(access=yaml.safe_load(lines)["access"]).access.tokens
    assert is_token(token)
    found = Tokens(tokens).find(token)
    assert found is not None
    assert (found.name, found.role) == ("ann", "operator")
    assert token not in lines


def test_the_variable_that_it_prints_makes_the_configuration_accept_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(main, ["token", "new"])
    name, _, value = next(line for line in result.stderr.splitlines() if line.startswith("SPANLOOM")).partition("=")
    monkeypatch.setenv(name, value.strip("'"))
    found = Tokens(load_config().access.tokens).find(result.stdout.splitlines()[0])
    assert found is not None
    assert (found.name, found.role) == ("viewer", "viewer")


def test_a_program_reads_the_token_as_json() -> None:
    found = json.loads(CliRunner().invoke(main, ["token", "new", "--json", "--role", "ingest"]).stdout)
    assert set(found) == {"token", "name", "role", "hash"}
    assert is_token(found["token"])
    assert found["role"] == "ingest"
