"""Anomalies of whole traces: single ones unlike all others of their root operation, and too many odd ones at once.

See docs/analysis.md for what a score claims, and what it was chosen by.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING

from components.component import ComponentKind, Stability
from processors.detectors.detector import Detector, DetectorComponent, DetectorConfig, Source, WholeTrace, at_once
from processors.detectors.shape_model import ShapeRoot
from processors.detectors.streaming import score_of
from processors.detectors.trace_windows import LATENESS, MAX_TRACES, WIDTH, TraceWindows
from processors.detectors.whole_trace.root_model import RootModel
from telemetry.environment import with_environment
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from telemetry.resource import service_labels
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processors.detectors.detector import Background, Pending
    from processors.detectors.whole_trace.fitting import Fit
    from processors.detectors.whole_trace.judged import JudgedTrace
    from processors.detectors.whole_trace.odd_share import OddShare
    from telemetry.json_object import JsonObject

TRACE_SCORE = "spanloom_trace_score"
"""Series of an anomaly that is one trace, by root and trace id."""

ODD_TRACES = "spanloom_odd_traces_ratio"
"""Series of an anomaly that is many odd traces of one root in one window, by root."""

MAX_ROOTS = 200
"""Root operations with a model; the one not seen longest is evicted and counted."""

MAX_KEPT = 40_000
"""Traces that all models keep, 300 bytes and 40 a place each: beyond, the root not seen longest is evicted."""

MAX_REPORTED = 20
"""Anomalies of a window: the strongest."""

LEAST_ODD = 3
"""Odd traces of a root in a window from which they are an anomaly together."""

_MAX_EXAMPLES = 5
_SNAPSHOT_VERSION = 1


class WholeTraceDetector(Detector[WholeTrace]):
    """Judges the traces of each root operation by a model of its own.

    While a model is fitted the windows that are due wait, so that what is found does not depend on how long that takes.

    Args:
        background: where models are fitted.
    """

    source = Source.TRACES
    saved_as = "whole_traces"

    def __init__(self, config: DetectorConfig | None = None, background: Background = at_once) -> None:
        self._config = config or DetectorConfig()
        self.min_score = self._config.min_score
        self._background = background
        self._windows = TraceWindows(WIDTH)
        self._due: deque[tuple[int, list[WholeTrace]]] = deque()
        self._models: OrderedDict[ShapeRoot, RootModel] = OrderedDict()
        self._fits: deque[tuple[RootModel, Pending[Fit]]] = deque()
        self.evicted = self.crowded = 0
        self._overflow = 0  # visits of places beyond the bound of roots that were evicted

    def consume(self, items: Sequence[WholeTrace], now: int) -> list[Anomaly]:
        """Put traces into their windows; `advance` judges them."""
        for trace in items:
            self._windows.add(trace.trace_id, trace.visits, now)
        return []

    def advance(self, time: int) -> list[Anomaly]:
        """Judge the windows that are due at an event time, oldest first."""
        self._due.extend(self._windows.take(time - LATENESS))
        found = self._work_off(wait=False)
        waiting = sum(len(traces) for _, traces in self._due)
        while waiting > MAX_TRACES:
            dropped = len(self._due.popleft()[1])
            self.crowded += dropped
            waiting -= dropped
        return found

    def close(self) -> list[Anomaly]:
        """Judge every window that is left: the input has ended."""
        self._due.extend(self._windows.take())
        return self._work_off(wait=True)

    def _work_off(self, *, wait: bool) -> list[Anomaly]:
        found: list[Anomaly] = []
        while self._fitted(wait=wait) and self._due:
            start, traces = self._due.popleft()
            found += self._judge(start, traces)
        return found

    def _fitted(self, *, wait: bool) -> bool:
        """Whether every model that is due has been fitted."""
        while self._fits:
            model, pending = self._fits[0]
            if not pending.done() and not wait:
                return False
            model.take(pending.result())
            self._fits.popleft()
        return True

    def _judge(self, start: int, traces: Iterable[WholeTrace]) -> list[Anomaly]:
        roots: dict[ShapeRoot, list[WholeTrace]] = {}
        for trace in traces:
            roots.setdefault(ShapeRoot.of(trace.visits), []).append(trace)
        found: list[Anomaly] = []
        for root, own in sorted(roots.items()):
            model = self._models.setdefault(root, RootModel())
            self._models.move_to_end(root)
            judged, share = model.judge(start, [model.places.row(trace.trace_id, trace.visits) for trace in own])
            found += self._anomalies(root, start, judged, share)
            self._fit(model)
        self._evict()
        found.sort(key=lambda anomaly: (-anomaly.score, anomaly.why, anomaly.start))
        return found[:MAX_REPORTED]

    def _fit(self, model: RootModel) -> None:
        work = model.wanted()
        if work is not None:
            self._fits.append((model, self._background(work)))

    def _evict(self) -> None:
        kept = sum(model.traces for model in self._models.values())
        while len(self._models) > 1 and (len(self._models) > MAX_ROOTS or kept > MAX_KEPT):
            _, model = self._models.popitem(last=False)
            kept -= model.traces
            self.evicted += 1
            self._overflow += model.places.overflow

    def _anomalies(self, root: ShapeRoot, start: int, judged: Sequence[JudgedTrace], share: OddShare) -> list[Anomaly]:
        least = self._config.min_score
        if share.odd >= LEAST_ODD and score_of(share.surprise) >= least:
            return [self._together(root, start, judged, share)]
        return [_alone(root, trace) for trace in judged if trace.score >= least]

    def _together(self, root: ShapeRoot, start: int, judged: Sequence[JudgedTrace], share: OddShare) -> Anomaly:
        odd = sorted((trace for trace in judged if trace.is_odd), key=lambda trace: (-trace.surprise, trace.row.trace_id))
        weights: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        for trace in odd:
            for part in trace.parts:
                weights[part[:3]] += part.share
        lead = min(weights, key=lambda key: (-weights[key], key), default=("", "", ""))
        why = next((part.why for trace in odd for part in trace.parts if part[:3] == lead), "")
        return Anomaly(
            AnomalyKind.TRACE,
            Series(ODD_TRACES, _labels(root)),
            lead[0] or root.service,
            start,
            start + WIDTH,
            score_of(share.surprise),
            share.usual,
            share.odd / share.traces,
            "1",
            Wording.TRACES_ODD(
                odd=share.odd, traces=share.traces, root=f"{root.service} {root.operation}", usual=f"{share.usual:.0%}", why=why
            ),
            operation=lead[1] or root.operation,
            environment=root.environment,
            trace_ids=tuple(trace.row.trace_id for trace in odd[:_MAX_EXAMPLES]),
        )

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. Open windows are not in it."""
        return {
            "version": _SNAPSHOT_VERSION,
            "sealed": self._due[0][0] if self._due else self._windows.sealed,
            "roots": [[list(root), model.snapshot()] for root, model in self._models.items()],
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one. Models are fitted again.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(
                f"whole traces: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}"
            )
        self._windows.clear()
        self._windows.sealed = snapshot["sealed"]
        self._due.clear()
        self._fits.clear()
        self._models.clear()
        for root, saved in snapshot["roots"]:
            model = self._models[ShapeRoot(*root)] = RootModel.restored(saved)
            self._fit(model)

    def dropped(self) -> Mapping[str, int]:
        """Traces over the bounds or late, roots and visits of places over theirs."""
        return {
            "whole_traces": self._windows.dropped + self.crowded,
            "whole_traces_late": self._windows.late,
            "whole_trace_roots": self.evicted,
            "whole_trace_places": self._overflow + sum(model.places.overflow for model in self._models.values()),
        }


def _alone(root: ShapeRoot, trace: JudgedTrace) -> Anomaly:
    lead = trace.parts[0] if trace.parts else None
    return Anomaly(
        AnomalyKind.TRACE,
        Series(TRACE_SCORE, _labels(root, trace.row.trace_id.hex())),
        (lead and lead.service) or root.service,
        trace.row.time,
        trace.row.time + trace.row.duration,
        trace.score,
        lead.usual if lead else 0.0,
        lead.seen if lead else 0.0,
        "s" if lead and lead.quantity in {"self time", "gap", "duration"} else "1",
        Wording.TRACE_ODD(root=f"{root.service} {root.operation}", parts=tuple(part.why for part in trace.parts)),
        operation=(lead and lead.operation) or root.operation,
        environment=root.environment,
        trace_ids=(trace.row.trace_id,),
    )


def _labels(root: ShapeRoot, trace_id: str = "") -> tuple[tuple[str, str], ...]:
    labels = {"operation": root.operation, **dict(service_labels(root.service)), **({"trace_id": trace_id} if trace_id else {})}
    return with_environment(tuple(sorted(labels.items())), root.environment)


WHOLE_TRACES = DetectorComponent(
    kind=ComponentKind.DETECTOR,
    name="whole_traces",
    config=DetectorConfig,
    build=lambda config, context: WholeTraceDetector(config, context.background),
    summary="Traces whose times and calls together are unlike those of their root operation.",
    stability=Stability.BETA,
)
