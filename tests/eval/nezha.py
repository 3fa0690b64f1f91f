"""Culprits on real fault injections, fed as a stream would feed them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from processors.root_cause.ranking import CulpritRanker
from processors.root_cause.sampled_trace import sampled_trace
from processors.series.points import points_of
from telemetry.otlp import decode_logs, decode_metrics, decode_spans, json_to_protobuf
from tests.templated import templated

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from telemetry.logs import LogRecord
    from telemetry.metrics import Metric
    from telemetry.spans import Span

SIGNALS = ("traces", "logs", "metrics")
VARIANTS: dict[str, tuple[str, ...]] = {
    "all signals": SIGNALS,
    **{f"without {left_out}": tuple(signal for signal in SIGNALS if signal != left_out) for left_out in SIGNALS},
}

STREAM = "spanloom analyse"


class Case(NamedTuple):
    """The signals of a case file, in its order."""

    spans: list[Span]
    logs: list[LogRecord]
    metrics: list[Metric]


def read(path: Path) -> Case:
    """A case file: one OTLP export request in JSON a line."""
    case = Case([], [], [])
    with gzip.open(path) as lines:
        for line in lines:
            if line.startswith(b'{"resourceSpans"'):
                case.spans.extend(decode_spans(json_to_protobuf("spans", line)))
            elif line.startswith(b'{"resourceLogs"'):
                case.logs.extend(decode_logs(json_to_protobuf("logs", line)))
            else:
                case.metrics.extend(decode_metrics(json_to_protobuf("metrics", line)))
    return case


def ranking(case: Case, signals: Iterable[str]) -> list[tuple[str, float]]:
    """Services by suspicion at the end of the case, which is not told when or where the fault was injected."""
    culprits, now = CulpritRanker(), 0
    if "traces" in signals:
        traces = defaultdict(list)
        for span in case.spans:
            traces[span.trace_id].append(span)
            now = max(now, span.start)
        for spans in traces.values():
            culprits.add_trace(sampled_trace(spans))
    if "logs" in signals:
        culprits.add_lines(templated(case.logs))
        now = max([now, *(record.time for record in case.logs)])
    if "metrics" in signals:
        for metric in case.metrics:
            points = list(points_of(metric))
            culprits.add_points(points)
            now = max([now, *(point.time for point in points)])
    return [(suspect.service, suspect.score) for suspect in culprits.rank(now)]


def rankings(path: Path, *, stream: bool = False) -> dict[str, list[tuple[str, float]]]:
    """The ranking of a case with all signals and with each left out; of a stream also as `spanloom analyse` prints it."""
    case = read(path)
    found = {name: ranking(case, signals) for name, signals in VARIANTS.items()}
    return found | ({STREAM: analysed(path)} if stream else {})


def analysed(path: Path) -> list[tuple[str, float]]:
    """The ranking that `spanloom analyse` prints: the same telemetry through log, stream agents and store."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "spanloom.cli", "analyse", str(path), "--out", out, "--json"]
        done = subprocess.run(command, capture_output=True, check=True)
    return [(service, score) for service, score in json.loads(done.stdout)["ranking"]]


def table(scorer: Any, data: Path, found: dict[str, dict[str, list[tuple[str, float]]]]) -> list[tuple[str, ...]]:
    """One row a system and kind of fault: cases, AS@1 by variant, AS@3 and MRR with all signals. Shares in percent."""
    labels = json.loads((data / "labels.json").read_text())
    ranks: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for case, by_variant in found.items():
        label = labels[case]
        for group in (label["ns"], f"{label['ns']} {label['type']}"):
            for variant, ranked in by_variant.items():
                ranks[group][variant].append(scorer.rank(label["service"], ranked))
    variants = list(next(iter(found.values()), VARIANTS))
    rows: list[tuple[str, ...]] = [("system, fault", "cases", *(f"AS@1 {name}" for name in variants), "AS@3", "MRR")]
    for group, measured in sorted(ranks.items()):
        best = measured["all signals"]
        rows.append(
            (
                group,
                str(len(best)),
                *(f"{_share(measured[name], 1):.1f}" for name in variants),
                f"{_share(best, 3):.1f}",
                f"{sum(1 / rank for rank in best if rank) / len(best):.3f}",
            )
        )
    return rows


def _share(ranks: list[int | None], within: int) -> float:
    return 100 * sum(rank is not None and rank <= within for rank in ranks) / len(ranks)
