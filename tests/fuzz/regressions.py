"""Inputs kept because something went wrong with them: a file a target, a line an input, in hex, with a comment."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.target import EMPTY

CORPUS = Path(__file__).parent / "corpus"


def kept(name: str) -> list[bytes]:
    """The inputs of a target."""
    file = CORPUS / f"{name}.txt"
    if not file.exists():
        return []
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [b"" if line == EMPTY else bytes.fromhex(line) for line in lines if line]
