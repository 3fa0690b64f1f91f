"""Text of others on a terminal."""

from __future__ import annotations

REPLACED = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """One line of telemetry, or of what quotes it, to print: what would steer the terminal or turn the text is replaced."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else REPLACED for letter in text)
