"""The detector on labelled metric series, one configuration for all of them."""

from __future__ import annotations

from typing import Any

from processors.detectors.series import SeriesDetector
from telemetry.metrics import Point, Series

FIXED = 0.5
"""The threshold fixed in advance: one half is the detector's own middle, once in four hundred values."""

CUTS = (0, 2, 4, 6, 8)
"""Percent of each series left out at its beginning: how far the score depends on where a series happens to begin."""

Scores = tuple[list[Any], list[float]]


def scores(series: list[tuple[Any, float]], cut: int = 0) -> Scores:
    """Times and anomaly scores of a series, read value by value, as `spanloom analyse --scores` gives them."""
    scorer, name = SeriesDetector(), Series("value")
    series = series[len(series) * cut // 100 :]
    points = (Point(name, int(time.timestamp()) * 1_000_000_000, value) for time, value in series)
    return [time for time, _ in series], [scorer.score(point).score for point in points]


def halves(files: list[str]) -> tuple[list[str], list[str]]:
    """Every other file by name: how far the halves differ says how far the score depends on the files."""
    return files[::2], files[1::2]


def table(scorer: Any, found: dict[int, dict[str, Scores]]) -> list[tuple[str, ...]]:
    """One row a profile: score with the best single threshold (as published figures have it) and with the fixed one.

    Args:
        scorer: the module that comes with the data.
        found: by percent cut off at the beginning, by file; 0 is the whole series.
    """
    whole = found[0]
    first, second = halves(sorted(whole))
    rows: list[tuple[str, ...]] = [
        ("profile", "all, best threshold", "first half", "second half", f"threshold {FIXED}", "begun later, mean", "lowest")
    ]
    for profile in scorer.PROFILES:
        columns = [
            scorer.evaluate({file: whole[file] for file in files}, profile=profile)["score"]
            for files in (sorted(whole), first, second)
        ]
        columns.append(scorer.evaluate(whole, threshold=FIXED, profile=profile)["score"])
        later = [scorer.evaluate(found[cut], threshold=FIXED, profile=profile)["score"] for cut in found if cut]
        columns += [sum(later) / len(later), min(later)]
        rows.append((profile, *(f"{column:.2f}" for column in columns)))
    return rows
