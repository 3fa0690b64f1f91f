"""What survivors.md says can be read, and is of the code as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutation.survivors import EXPLAINED, explained, function, row

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("mutant", "named"),
    [
        ("processors.series.rates.x_rate__mutmut_12", "processors.series.rates.rate"),
        ("durable_log.log.xǁLogǁ_open__mutmut_1", "durable_log.log.Log._open"),
    ],
)
def test_a_mutant_is_named_by_its_function(mutant: str, named: str) -> None:
    assert function(mutant) == named


def test_a_row_has_the_lines_before_and_after() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1 +1 @@\n def f():\n-    return a | b\n+    return a & b\n"
    assert row("a.x_f__mutmut_1", diff) == "| a.f | `return a \\| b` | `return a & b` |"


def module_of(name: str) -> Path:
    parts = name.split(".")
    paths = [ROOT.joinpath(*parts[:depth]).with_suffix(".py") for depth in range(1, len(parts))]
    return next(path for path in paths if path.exists())


def test_each_survivor_that_is_explained_is_a_line_of_its_module() -> None:
    rows = explained()
    assert len(rows) == EXPLAINED.read_text("utf-8").count("\n| ") - 1, "a row that is not read, or is there twice"
    wrong = []
    for one in rows:
        found = re.match(r"\| (\S+) \| `(.*)` \| `", one)
        assert found is not None, one
        source = " ".join(line.strip() for line in module_of(found[1]).read_text("utf-8").splitlines())
        if found[2].replace("\\|", "|") not in source:
            wrong.append(one)
    assert wrong == []
