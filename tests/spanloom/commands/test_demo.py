from __future__ import annotations

import pytest
from click.testing import CliRunner

from spanloom.commands.demo import demo


@pytest.mark.parametrize("arguments", [["--json"], ["--fault", "fire"], ["--port", "many"], ["--nonsense"]])
def test_what_is_asked_wrongly_is_refused_with_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(demo, arguments).exit_code == 2


def test_the_help_names_every_port() -> None:
    text = CliRunner().invoke(demo, ["--help"]).output
    assert all(port in text for port in ("8080", "4317", "4318", "8090", "8091"))
