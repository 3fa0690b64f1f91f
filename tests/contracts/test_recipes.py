"""CONTRIBUTING.md is true: its commands run, and what its recipes add is one file and one line each, and works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
LIST = ROOT / "spanloom" / "components.py"
RECIPES = re.findall(r"```python\n# (\S+\.py)\n(.*?)```.*?`([A-Z]+)`.*?```text\n(    \"[\w.]+:\w+\",\n)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_there_is_a_recipe_for_each_kind_that_one_file_adds() -> None:
    assert [kind for _, _, kind, _ in RECIPES] == ["NOTIFIERS", "DETECTORS", "RECEIVERS", "ACTIONS"]
    assert len(RECIPES) == PAGE.count("```python") == PAGE.count("```text"), "a block that is not tried"
    assert len(COMMANDS) == PAGE.count("```sh")
    assert not [path for path, *_ in RECIPES if (ROOT / path).exists()], "the recipes are of files that are not there"


def test_what_the_recipes_add_works_and_is_one_file_and_one_line_each(tmp_path: Path) -> None:
    listed = LIST.read_text("utf-8")
    for path, code, kind, line in RECIPES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
        listed, count = re.subn(rf"(^{kind}: .*?)(^\)$)", rf"\g<1>{line}\g<2>", listed, count=1, flags=re.DOTALL | re.MULTILINE)
        assert count == 1
    assert len(listed.splitlines()) == len(LIST.read_text("utf-8").splitlines()) + len(RECIPES)
    (tmp_path / "components.py").write_text(listed)
    tried = [sys.executable, "-m", "tests.contracts.recipes", str(tmp_path)]
    done = subprocess.run(tried, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipes_are_in_the_house_format(tmp_path: Path) -> None:
    for path, code, _, _ in RECIPES:
        file = tmp_path / Path(path).name
        file.write_text(code)
        ruff = [sys.executable, "-m", "ruff"]
        settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(file)]
        for check in (["format", "--check"], ["check", "--ignore", "INP001"]):
            done = subprocess.run([*ruff, *check, *settings], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=["one test", "profile"])
def test_its_commands_run(command: str) -> None:
    shorter = command.replace(".venv/bin/python", sys.executable).replace("24_000", "240")
    done = subprocess.run(["bash", "-c", shorter], cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 passed|function calls", done.stdout)
