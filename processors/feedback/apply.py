"""What marks change: which anomalies are reported, and how much evidence weighs in rankings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processors.detectors.streaming import surprise_of
from processors.feedback.mark import evidence_key, series_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processors.feedback.mark import MarkVerdict
    from processors.feedback.marks import Marks
    from telemetry.findings import Anomaly, Suspect


def divided(
    anomalies: Iterable[Anomaly], marks: Marks, min_score: float
) -> tuple[list[Anomaly], list[tuple[MarkVerdict, Anomaly]]]:
    """The anomalies of one detector that are reported, and those that marks withhold, with the kind of mark.

    Args:
        anomalies: what the detector found.
        marks: what people said.
        min_score: the score from which the detector finds an anomaly.
    """
    reported: list[Anomaly] = []
    withheld: list[tuple[MarkVerdict, Anomaly]] = []
    for anomaly in anomalies:
        key = series_key(anomaly.kind, anomaly.series.name, anomaly.series.labels)
        least, surprise = surprise_of(min_score), surprise_of(anomaly.score)
        why = marks.withholds(anomaly.environment, key, surprise, least, anomaly.end)
        if why is None:
            reported.append(anomaly)
        else:
            withheld.append((why, anomaly))
    return reported, withheld


def weighed(suspects: Sequence[Suspect], marks: Marks, environment: str, time: int) -> tuple[Suspect, ...]:
    """A ranking with its evidence weighed by what people said of earlier ones, likeliest first.

    Args:
        suspects: as their evidence ranks them.
        marks: what people said.
        environment: of the ranking.
        time: of the ranking, ns.
    """
    found = []
    for suspect in suspects:
        evidence = [
            replace(item, weight=item.weight * marks.weight(environment, evidence_key(suspect.service, item.signal), time))
            for item in suspect.evidence
        ]
        if evidence != list(suspect.evidence):
            evidence.sort(key=lambda item: -item.weight)
            suspect = replace(suspect, evidence=tuple(evidence), score=sum(item.weight for item in evidence))  # noqa: PLW2901
        found.append(suspect)
    return tuple(sorted(found, key=lambda suspect: (-suspect.score, suspect.service)))
