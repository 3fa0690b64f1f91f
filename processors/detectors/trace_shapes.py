"""Shape anomalies: a call that many traces of a window lack, make for the first time, repeat or make out of order.

One odd trace may be a user's whim or a lost span. So oddities are gathered: traces of a window of event time are all
compared with what was known before it, those odd in the same way are counted together, and only then all are learned.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from components.component import ComponentKind, Stability
from processors.call_graph.shared_ids import apart
from processors.call_graph.span_tree import unique
from processors.detectors.detector import Detector, DetectorComponent, DetectorConfig, Source, WholeTrace
from processors.detectors.rarity.surprise import surprise_of_share
from processors.detectors.shape_model import ShapeRoot, TraceShapes
from processors.detectors.streaming import score_of
from processors.detectors.trace_windows import LATENESS, WIDTH, TraceWindows
from telemetry.environment import with_environment
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from telemetry.resource import service_labels
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from processors.call_graph.visits import Visit
    from processors.detectors.shape_model import Oddity, ShapeNode
    from telemetry.json_object import JsonObject
    from telemetry.spans import Span

SHAPE = "spanloom_trace_shape"
"""Series that shape anomalies name, by deviation, root, service, operation and what was called."""

MAX_REPORTED = 20
"""Anomalies of a window: the strongest."""

_MAX_EXAMPLES = 5
_SNAPSHOT_VERSION = 1


def is_whole(spans: Collection[Span]) -> bool:
    """Whether a trace has one root and every parent that its spans name: else a call may be missing only from view."""
    spans, _ = apart(unique(spans))
    known = {span.span_id for span in spans}
    return sum(not span.parent_span_id for span in spans) == 1 and all(
        not span.parent_span_id or span.parent_span_id in known for span in spans
    )


class TraceShapeDetector(Detector[WholeTrace]):
    """Judges the traces of each window together.

    Args:
        width: of a window, nanoseconds of event time; a trace belongs to the one in which it began.
        allowed_lateness: how long after its end a window is judged: traces are known only when they have closed.
    """

    source = Source.TRACES
    saved_as = "shapes"

    def __init__(self, config: DetectorConfig | None = None, *, width: int = WIDTH, allowed_lateness: int = LATENESS) -> None:
        self._config = config or DetectorConfig()
        self.min_score = self._config.min_score
        self._allowed_lateness = allowed_lateness
        self._shapes = TraceShapes()
        self._windows = TraceWindows(width)

    @property
    def traces_dropped(self) -> int:
        """Traces over the bound."""
        return self._windows.dropped

    @property
    def late(self) -> int:
        """Traces of windows that were judged already."""
        return self._windows.late

    @property
    def evicted(self) -> int:
        """How many places' shapes the bound on them has cost."""
        return self._shapes.evicted

    def consume(self, items: Sequence[WholeTrace], now: int) -> list[Anomaly]:
        """Put traces into their windows; `advance` judges them."""
        for trace in items:
            self.add(trace.trace_id, trace.visits, now)
        return []

    def dropped(self) -> Mapping[str, int]:
        """Traces over the bound or late, and places over theirs."""
        return {"shape_traces": self.traces_dropped, "shape_traces_late": self.late, "shape_places": self.evicted}

    def add(self, trace_id: bytes, visits: Sequence[Visit], now: int) -> None:
        """Take a whole trace; the same one again replaces what was added before. One from later than `now` began now."""
        self._windows.add(trace_id, visits, now)

    def advance(self, time: int) -> list[Anomaly]:
        """Judge the windows that are due at an event time, oldest first."""
        return self._seal(time - self._allowed_lateness)

    def close(self) -> list[Anomaly]:
        """Judge every window that is left: the input has ended."""
        return self._seal(None)

    def _seal(self, until: int | None) -> list[Anomaly]:
        found: list[Anomaly] = []
        for start, traces in self._windows.take(until):
            found += self._judge(start, traces)
            for trace in traces:
                self._shapes.learn_one(trace.visits)
        return found

    def _judge(self, start: int, traces: Sequence[WholeTrace]) -> list[Anomaly]:
        visits: Counter[tuple[ShapeRoot, ShapeNode]] = Counter()
        odd: dict[tuple[str, ShapeRoot, ShapeNode, ShapeNode], list[tuple[Oddity, bytes]]] = {}
        for trace in traces:
            root = ShapeRoot.of(trace.visits)
            visits.update((root, (visit.service, visit.operation)) for visit in trace.visits)
            for oddity in self._shapes.score_one(trace.visits).oddities:
                key = oddity.kind, oddity.root, oddity.place, oddity.callee
                odd.setdefault(key, []).append((oddity, trace.trace_id))
        found = []
        for key, seen in odd.items():
            total = visits[key[1], key[2]]
            like, unlike = seen[0][0].like, seen[0][0].unlike
            if len(seen) <= total * like / (like + unlike):
                continue
            surprise = surprise_of_share(len(seen), total, like, unlike)
            if score_of(surprise) >= self._config.min_score:
                found.append(self._anomaly(start, seen, total, surprise))
        found.sort(key=lambda anomaly: (-anomaly.score, anomaly.series))
        return found[:MAX_REPORTED]

    def _anomaly(self, start: int, seen: Sequence[tuple[Oddity, bytes]], total: int, surprise: float) -> Anomaly:
        oddity = max((oddity for oddity, _ in seen), key=lambda item: (item.surprise, item.why))
        (service, operation), (callee, called) = oddity.place, oddity.callee
        labels = {
            "callee": callee,
            "called": called,
            "deviation": oddity.kind,
            "operation": operation,
            "root": f"{oddity.root.service} {oddity.root.operation}",
            **dict(service_labels(service)),
        }
        environment = oddity.root.environment
        return Anomaly(
            AnomalyKind.SHAPE,
            Series(SHAPE, with_environment(tuple(labels.items()), environment)),
            service,
            start,
            start + self._windows.width,
            score_of(surprise),
            oddity.like / (oddity.like + oddity.unlike),
            len(seen) / total,
            "1",
            Wording.VISITS(seen=len(seen), total=total, why=oddity.why),
            operation=operation,
            environment=environment,
            trace_ids=tuple(dict.fromkeys(trace_id for _, trace_id in seen))[:_MAX_EXAMPLES],
        )

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. Open windows are not in it."""
        return {"version": _SNAPSHOT_VERSION, "sealed": self._windows.sealed, "shapes": self._shapes.snapshot()}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(
                f"shape watch: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}"
            )
        self._windows.clear()
        self._windows.sealed = snapshot["sealed"]
        self._shapes.restore(snapshot["shapes"])


TRACE_SHAPES = DetectorComponent(
    kind=ComponentKind.DETECTOR,
    name="trace_shapes",
    config=DetectorConfig,
    build=lambda config, _: TraceShapeDetector(config),
    summary="Calls that many traces lack, make in addition, repeat, or make in another order.",
    stability=Stability.STABLE,
)
