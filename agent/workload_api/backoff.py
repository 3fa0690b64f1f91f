"""Another try, later each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

FIRST_BACKOFF, MAX_BACKOFF = 0.2, 15.0
"""Seconds before another try, doubled with each, times a random 0.5 to 1.5."""


class Backoff:
    """How long to wait before another try."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._tries = chance, 0

    def worked(self) -> None:
        """The next failure is the first again."""
        self._tries = 0

    def seconds(self) -> float:
        """Before the next try."""
        self._tries += 1
        return min(FIRST_BACKOFF * 2.0 ** min(self._tries - 1, 20), MAX_BACKOFF) * (0.5 + self._chance.random())
