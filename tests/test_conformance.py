"""Each test that docs/conformance.md names is there, and each of its cases names one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "conformance.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def _cases() -> list[str]:
    lines = TABLE.read_text().splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith("| case |")]


def test_every_case_has_a_source_an_expectation_and_a_test() -> None:
    for case in _cases():
        cells = [cell.strip() for cell in case.strip("|").split(" | ")]
        assert len(cells) == 4, case
        assert all(cells), case
        assert _NAMED.search(cells[-1]), f"no test: {case}"


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for path, name in (found for case in _cases() for found in _NAMED.findall(case)):
        file = ROOT / path
        if not file.is_file() or (name and not re.search(rf"^(?:async )?def {name}\(", file.read_text(), re.MULTILINE)):
            missing.append(f"{path}::{name}")
    assert not missing
