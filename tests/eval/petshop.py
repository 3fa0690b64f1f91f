"""Culprits from metrics alone, of a shop that nothing here was designed on: `python -m tests.eval.petshop`.

Of each issue the five records of five minutes are ranked after the last records of the time without faults. That time was
recorded months after the issues, so it is dated to end where each begins. The published baselines have the call graph and
the node that suffers; the ranking has neither.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from processors.root_cause.ranking import CulpritRanker
from processors.series.points import points_of
from telemetry.otlp import decode_metrics, json_to_protobuf
from tests.eval.shared import SHARED, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from telemetry.metrics import Point

RECORD = 300 * 10**9
"""Nanoseconds from record to record."""

PAST = 59
"""Records of the past: as many as a ranking remembers, with the issue's five."""

UNRANKED = 1_000


def records(path: Path) -> list[list[Point]]:
    """The points of each record, in the order of time."""
    with gzip.open(path) as lines:
        requests = [decode_metrics(json_to_protobuf("metrics", line)) for line in lines]
    found = [[point for metric in request for point in points_of(metric)] for request in requests]
    return sorted((points for points in found if points), key=lambda points: points[0].time)


def ranking(past: Sequence[Sequence[Point]], issue: Sequence[Sequence[Point]]) -> list[str]:
    """Nodes by suspicion at the end of an issue, which may have begun with any of its records."""
    culprits = CulpritRanker(width=RECORD, horizon=len(issue) * RECORD)
    later = past[-1][0].time + RECORD - issue[0][0].time
    before = [[replace(point, time=point.time - later) for point in points] for points in past[-PAST:]]
    for points in [*before, *issue]:
        culprits.add_points(points)
    return [suspect.service for suspect in culprits.rank(issue[-1][0].time)]


def rankings(data: Path, traffic: str) -> dict[str, list[str]]:
    """Of each issue of one level of traffic."""
    past = records(data / f"{traffic}-noissue.jsonl.gz")
    return {
        path.name.removesuffix(".jsonl.gz"): ranking(past, records(path))
        for path in sorted(data.glob(f"{traffic}-issue_*.jsonl.gz"))
    }


def table(data: Path, found: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """A row for each level of traffic and kind of issue: how many of the culprits rank first, and among the first three."""
    labels = json.loads((data / "labels.json").read_text())
    ranks: dict[str, list[int]] = defaultdict(list)
    for case, ranked in found.items():
        label = labels[case]
        rank = ranked.index(label["root_cause"]) + 1 if label["root_cause"] in ranked else UNRANKED
        traffic = case.partition("-")[0]
        for group in (f"{traffic} {label['target']['metric']}", "all"):
            ranks[group].append(rank)
    rows: list[tuple[str, ...]] = [("traffic, issue", "cases", "AS@1", "AS@3")]
    for group, own in sorted(ranks.items(), key=lambda item: (item[0] == "all", item[0])):
        shares = (100 * sum(rank <= within for rank in own) / len(own) for within in (1, 3))
        rows.append((group, str(len(own)), *(f"{share:.1f}" for share in shares)))
    return rows


def main() -> int:
    """Measure and print; without the data nothing is measured, and a line says so."""
    data = SHARED / "data" / "petshop"
    if not data.is_dir():
        sys.stderr.write(f"NOTHING MEASURED: {data} missing; there the public cases belong\n")
        return 0
    found = {case: ranked for traffic in ("low_traffic", "high_traffic") for case, ranked in rankings(data, traffic).items()}
    print_table("Culprits of PetShop, from metrics alone, %", table(data, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
