"""Who is to blame: services ranked by what has changed in their traces, logs and metrics.

The change point is not given but found: of all times of the recent past the one at which traces changed most.
What came before is the baseline; without one, measurements are compared with their peers. Each signal then charges
services by a rule of its own (`latency`, `shape`, `metrics`), each of which subtracts what another
service explains. Charges are in nats, less the doubt that comes with many tests, compressed, and added up.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from processors.root_cause.latency import LatencyTable
from processors.root_cause.metrics import MetricMemory
from processors.root_cause.shape import ShapeTable
from processors.root_cause.trace_memory import TraceMemory
from processors.series.points import unit_of
from processors.series.quantities import quantities
from telemetry.findings import Evidence, Suspect
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processors.root_cause.latency import LatencyAttribution
    from processors.root_cause.metrics import MetricAttribution
    from processors.root_cause.sampled_trace import SampledTrace, TemplatedLine
    from processors.root_cause.shape import ShapeAttribution
    from processors.root_cause.trace_memory import Remembered
    from telemetry.metrics import Point
    from telemetry.sentences import Sentence

_Attribution = TypeVar("_Attribution", "ShapeAttribution", "MetricAttribution")

SECOND = 1_000_000_000

MAX_TEMPLATES = 5000
"""Templates of log lines whose text is remembered; past them evidence quotes the id of the one seen last longest ago."""

LEAST_GAIN = 8.0
"""Nats that a change point must gain to count as a change: about what the best of a few dozen gains by chance."""

LEAST_BEFORE, LEAST_AFTER = 8, 5
"""Traces needed on either side of a change point."""

ALONE = 0.5
"""What metrics count for when neither traces nor logs accuse the service: it can hardly have harmed a request."""

IDLE = 0.5
"""What is left of that when no trace came through the service."""


class CulpritRanker:
    """Remembers recent telemetry, in whatever order it comes, and ranks services by how much of a change is their own.

    Args:
        width: of a bucket of traces, nanoseconds; the resolution at which a change is dated.
        horizon: how long ago a change may have been, nanoseconds before `now`.
    """

    def __init__(self, width: int = 10 * SECOND, horizon: int = 900 * SECOND) -> None:
        self._traces = TraceMemory(width)
        self._metrics = MetricMemory()
        self._quoted: OrderedDict[str, str] = OrderedDict()  # how evidence quotes a template, the last seen last
        self._templates_evicted = 0
        self._horizon = horizon
        self._width = width

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds have cost so far: traces beyond the sample, logs, series and templates evicted."""
        return {
            "traces": self._traces.dropped,
            "logs": self._traces.logs_dropped,
            "series": self._metrics.evicted,
            "templates": self._templates_evicted,
        }

    def add_trace(self, trace: SampledTrace, now: int | None = None) -> None:
        """Remember a closed trace. Of the same trace again the version with more spans stays.

        What a clock dates later than `now` (ns), if that is known, began now: it drives out nothing older.
        """
        self._traces.add(trace.trace_id, trace.start if now is None else min(trace.start, now), trace.visits)

    def add_lines(self, lines: Iterable[TemplatedLine]) -> None:
        """Remember log lines, which are joined to their trace whenever it comes."""
        for line in lines:
            self._quoted[line.template] = line.quoted
            self._quoted.move_to_end(line.template)
            self._traces.add_log(line.trace_id, line.span_id, line.template, line.time, line.severity)
        while len(self._quoted) > MAX_TEMPLATES:
            self._quoted.popitem(last=False)
            self._templates_evicted += 1

    def add_points(self, points: Iterable[Point]) -> None:
        """Remember points of metrics."""
        for point in points:
            self._metrics.add(point)

    def rank(self, now: int) -> tuple[Suspect, ...]:
        """The suspects at `now`, likeliest first; empty when nothing has changed."""
        buckets = [(start, traces) for start, traces in self._traces.buckets() if start <= now]
        latency = LatencyTable([traces for _, traces in buckets])
        shape = ShapeTable([traces for _, traces in buckets])
        split = self._change_point(buckets, latency, shape, now)
        dated = buckets[split][0] if split else 0
        since = dated if buckets else self._metrics.change_point(now, self._horizon, self._width)
        instances: dict[str, set[str]] = {}
        for _, traces in buckets:
            for trace in traces:
                for visit in trace.visits:
                    instances.setdefault(visit.service, set()).add(visit.instance)
        evidence: dict[str, list[Evidence]] = {}
        named: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))  # what speaks against each instance
        slow = [latency.narrowed(attribution, split) for attribution in latency.attributions(split)]
        odd = [shape.narrowed(attribution, split) for attribution in _heaviest(shape.attributions(split))]
        for attribution, item in self._evidence(slow, odd):
            evidence.setdefault(attribution.service, []).append(item)
            if attribution.instance:
                named[attribution.service][attribution.instance] += item.weight
        accused = {service: sum(item.weight for item in items) for service, items in evidence.items()}
        for moved in _heaviest(self._metrics.attributions(since, now)):
            share = ALONE + (1 - ALONE) * min(1.0, accused.get(moved.service, 0.0)) if buckets else 1.0
            if buckets and moved.service not in instances:
                share *= IDLE
            item = _metric_evidence(moved, share)
            evidence.setdefault(moved.service, []).append(item)
            if moved.instance:
                named[moved.service][moved.instance] += item.weight
        suspects = [
            Suspect(
                service,
                sum(item.weight for item in items),
                _instance(named.get(service), instances.get(service, set())),
                tuple(sorted(items, key=lambda item: -item.weight)),
            )
            for service, items in evidence.items()
        ]
        return tuple(sorted(suspects, key=lambda suspect: (-suspect.score, suspect.service)))

    def _change_point(
        self, buckets: Sequence[tuple[int, Sequence[Remembered]]], latency: LatencyTable, shape: ShapeTable, now: int
    ) -> int:
        """The bucket with which the change begins; 0 where no time stands out, so that all is compared with its peers."""
        sizes = np.cumsum([len(traces) for _, traces in buckets])
        best, found = LEAST_GAIN, 0
        for number in range(1, len(buckets)):
            before = sizes[number - 1]
            if before < LEAST_BEFORE or sizes[-1] - before < LEAST_AFTER or buckets[number][0] < now - self._horizon:
                continue
            gain = latency.strongest(number) + shape.strongest(number)
            if gain > best:
                best, found = gain, number
        return found

    def _evidence(
        self, latencies: Iterable[LatencyAttribution], shapes: Iterable[ShapeAttribution]
    ) -> Iterator[tuple[LatencyAttribution | ShapeAttribution, Evidence]]:
        for slow in latencies:
            stretch = slow.stretch
            where = Wording.BETWEEN(caller=stretch.caller, service=stretch.service) if stretch.caller else Wording.IN_ITSELF()
            before, after = quantities("s", slow.before / SECOND, slow.after / SECOND)
            text = Wording.TIME_ADDED(
                operation=stretch.operation,
                before=before,
                after=after,
                where=_apart(where, slow.instance),
                share=f"{slow.share:.0%}",
            )
            yield slow, Evidence("trace", slow.weight, text, slow.trace_ids)
        for odd in shapes:
            event = odd.event
            what = self._quoted.get(event.name, event.name) if event.kind.endswith("log") else f"'{event.name}'"
            text = Wording.EVENT_SINCE(
                operation=odd.operation,
                event=_EVENTS[event.kind]() if event.kind in _EVENTS else event.kind,
                name=Wording.EVENT_TIMES(name=what, times=event.times) if event.times > 1 else what,
                before=odd.before[0],
                before_all=odd.before[1],
                after=odd.after[0],
                after_all=odd.after[1],
            )
            text = _apart(text, odd.instance)
            yield odd, Evidence("log" if event.kind.endswith("log") else "trace", odd.weight, text, odd.trace_ids)


def _heaviest(attributions: Iterable[_Attribution]) -> list[_Attribution]:
    """The first charge of each service: further ones are mostly the same change seen again."""
    heaviest: dict[str, _Attribution] = {}
    for attribution in attributions:
        heaviest.setdefault(attribution.service, attribution)
    return list(heaviest.values())


_EVENTS = {
    "operation": Wording.EVENT_OPERATION,
    "call": Wording.EVENT_CALL,
    "log": Wording.EVENT_LOG,
    "error": Wording.EVENT_ERROR,
    "error log": Wording.EVENT_ERROR_LOG,
}


def _apart(what: Sentence, instance: str) -> Sentence:
    return Wording.UNLIKE_OTHERS(what=what, instance=instance) if instance else what


def _instance(named: dict[str, float] | None, seen: set[str]) -> str:
    """The instance that evidence names, with most weight; else the only one that was seen."""
    if named:
        return min(named, key=lambda name: (-named[name], name))
    return next(iter(seen)) if len(seen) == 1 else ""


def _metric_evidence(attribution: MetricAttribution, share: float) -> Evidence:
    labels = ",".join(f'{name}="{value}"' for name, value in attribution.series.labels)
    before, after = quantities(unit_of(attribution.series.name), attribution.before, attribution.after)
    change = after if math.isnan(attribution.before) else Wording.BECAME(before=before, after=after)
    if attribution.series.total:
        change = Wording.PER_SECOND(change=change)
    text = Wording.METRIC_UNLIKE(series=attribution.series.name, change=change)
    return Evidence("metric", attribution.weight * share, text, series=f"{attribution.series.name}{{{labels}}}")
