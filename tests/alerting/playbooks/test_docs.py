from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanloom.commands.playbooks import playbooks

PAGES = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["self-healing.md", "first-playbook.md"])
def test_the_example_of_the_page_does_what_the_page_shows(page: str, tmp_path: Path) -> None:
    text = (PAGES / page).read_text()
    example = re.search(r"```yaml\n(?:#[^\n]*\n)?(playbooks:.*?)```", text, re.DOTALL)
    assert example is not None
    (tmp_path / "playbooks.yml").write_text(example[1])
    for command in re.findall(r"^    \$ spanloom playbooks ((?:check|dry-run) .*)$", text, re.MULTILINE):
        arguments = command.replace("playbooks.yml", str(tmp_path / "playbooks.yml")).split()
        result = CliRunner().invoke(playbooks, arguments)
        assert result.exit_code == 0, result.output
        for line in result.output.splitlines():
            assert f"    {line}\n" in text
