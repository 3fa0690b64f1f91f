"""What survivors.md explains: mutants that change nothing which a test could notice, a row each."""

from __future__ import annotations

import re
from pathlib import Path

EXPLAINED = Path(__file__).with_name("survivors.md")


def function(mutant: str) -> str:
    """`processors.series.rates.Rates.add` of `processors.series.rates.xǁRatesǁadd__mutmut_3`."""
    module, _, mangled = mutant.rpartition(".")
    own = mangled.rpartition("__mutmut_")[0]
    return f"{module}.{own.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def row(mutant: str, diff: str) -> str:
    """How the page names a mutant: its function, the lines before and after."""
    lines = diff.splitlines()[2:]  # below the names of the two files
    changed = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    before, after = (text.replace("|", "\\|") for text in changed)
    return f"| {function(mutant)} | `{before}` | `{after}` |"


def explained() -> set[str]:
    """The rows without their reasons."""
    rows = re.findall(r"^(\| [\w.]+ \| `.*` \| `.*` \|)[^|]+\|$", EXPLAINED.read_text("utf-8"), flags=re.MULTILINE)
    return set(rows)
