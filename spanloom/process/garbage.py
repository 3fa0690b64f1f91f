"""How often Python looks for cycles of objects that nobody reaches."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""New objects after which the young ones are looked at. At Python's 700 it looks again and again through objects that all live
until their trace is stored: a quarter of the CPU time of *assemble*, for no memory that can be seen (docs/benchmarks.md)."""

OLDER, OLDEST = 20, 100
"""Looks at the young after which older ones are looked at too, and of those after which all are."""


def look_for_cycles_seldom() -> None:
    """For the whole process. Objects without cycles, which are nearly all, are freed as before: when the last user has gone."""
    gc.set_threshold(YOUNG, OLDER, OLDEST)
