"""The pictures of the documents are there, small, and none is left over."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 150_000
"""Bytes."""


def test_every_picture_is_linked_and_small() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    linked = {
        (page.parent / link).resolve()
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+\.png)\)", page.read_text("utf-8"))
    }
    there = set(PICTURES.glob("*.png"))
    assert linked == there
    assert {file.name for file in there if file.stat().st_size > LARGEST or file.read_bytes()[:4] != b"\x89PNG"} == set()
    assert len(there) <= 12


def test_every_row_of_the_comparison_has_a_picture_or_a_command_where_something_is_there() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    shown = [row for row in rows[1:] if row[2] in {"+", "o"}]
    assert len(shown) >= 28
    assert [row[0] for row in shown if not re.search(r"\]\(|`", row[1])] == []
