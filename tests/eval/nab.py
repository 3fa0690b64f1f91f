"""The detector on labelled metric series, one configuration for all of them."""

from __future__ import annotations

from typing import Any

from processors.scores import SeriesScorer
from telemetry.metrics import Point, Series

FIXED = 0.5
"""The threshold fixed in advance: one half is the detector's own middle, once in four hundred values."""

Scores = tuple[list[Any], list[float]]


def scores(series: list[tuple[Any, float]]) -> Scores:
    """Times and anomaly scores of a series, read value by value, as `spanloom analyse --scores` gives them."""
    scorer, name = SeriesScorer(), Series("value")
    points = (Point(name, int(time.timestamp()) * 1_000_000_000, value) for time, value in series)
    return [time for time, _ in series], [scorer.score(point).score for point in points]


def halves(files: list[str]) -> tuple[list[str], list[str]]:
    """Every other file by name: how far the halves differ says how far the score depends on the files."""
    return files[::2], files[1::2]


def table(scorer: Any, found: dict[str, Scores]) -> list[tuple[str, ...]]:
    """One row a profile: score with the best single threshold (as published figures have it) and with the fixed one."""
    first, second = halves(sorted(found))
    rows: list[tuple[str, ...]] = [("profile", "all, best threshold", "first half", "second half", f"all, threshold {FIXED}")]
    for profile in scorer.PROFILES:
        columns = [
            scorer.evaluate({file: found[file] for file in files}, profile=profile)["score"]
            for files in (sorted(found), first, second)
        ]
        columns.append(scorer.evaluate(found, threshold=FIXED, profile=profile)["score"])
        rows.append((profile, *(f"{column:.2f}" for column in columns)))
    return rows
