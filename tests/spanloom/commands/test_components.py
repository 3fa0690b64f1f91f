from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from spanloom.commands.components import components
from spanloom.components import SECTIONS
from spanloom.components import components as all_components
from spanloom.config import load_config

if TYPE_CHECKING:
    import pytest


def run(*arguments: str) -> str:
    result = CliRunner().invoke(components, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_a_line_for_each_component() -> None:
    lines = run("list").splitlines()
    assert [line.split()[:2] for line in lines] == [[one.kind.value, one.name] for one in all_components()]
    assert [one["name"] for one in json.loads(run("list", "--json"))] == [one.name for one in all_components()]


def test_each_is_shown_with_every_setting_of_its_section_and_no_memory_address() -> None:
    for one in all_components():
        (shown,) = json.loads(run("show", f"{one.kind.value}/{one.name}", "--json"))
        named = {setting["path"].partition(".")[0] for setting in shown["settings"]}
        assert {name.partition("[")[0] for name in named} == {
            info.alias or name for name, info in one.config.model_fields.items()
        }
        text = run("show", one.name)
        assert one.summary in text
        assert " at 0x" not in text


def test_a_name_that_nothing_has_is_a_wrong_question() -> None:
    result = CliRunner().invoke(components, ["show", "nothing"])
    assert result.exit_code == 2
    assert "spanloom components list has their names" in result.output


def test_what_a_section_is_called_is_where_the_configuration_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_CONFIG", "")
    settings = load_config()
    for one in all_components():
        section = SECTIONS[one.kind].format(name=one.name)
        if one.config.model_fields and "[" not in section:
            found = settings
            for step in section.split("."):
                found = getattr(found, step)
            assert found == (None if one.required else one.config())
