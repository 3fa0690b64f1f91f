"""A trace as a waterfall: spans in the order of their tree, each with its place in time, its logs, the critical path."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.logs import ERROR, WARN
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.documents import Body


@dataclass(slots=True)
class Bar:
    """A span. `left`, `width`, `critical` and `logs` are in percent of the waterfall's time.

    `critical` are pieces of the critical path (left, width); `logs` are (left, severity) with severity
    `bad`, `warn` or empty.
    """

    span: Body
    depth: int
    left: float
    width: float
    critical: list[tuple[float, float]] = field(default_factory=list)
    logs: list[tuple[float, str]] = field(default_factory=list)

    @property
    def service(self) -> str:
        """Whose span it is."""
        return service_of(self.span)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Bars from top to bottom, and the time that they share."""

    start: int
    duration: int
    bars: tuple[Bar, ...]


def service_of(body: Body) -> str:
    """The service of a span or log document."""
    return Resource(body["resource"]["attributes"]).service


def severity(log: Body) -> str:
    """`bad` from error on, `warn` from warning on, else empty."""
    number = log.get("severity_number") or 0
    return "bad" if number >= ERROR else "warn" if number >= WARN else ""


def waterfall(spans: Sequence[Body], critical_path: Iterable[Body] = (), logs: Iterable[Body] = ()) -> Waterfall:
    """The waterfall of span documents.

    A span stands below its parent, siblings by start. One whose parent is missing, or is below it in a cycle, stands at
    the left. Logs of no span that is here are omitted.
    """
    if not spans:
        return Waterfall(0, 0, ())
    start = min(span["start"] for span in spans)
    end = max(span["start"] + span["duration"] for span in spans)
    scale = 100 / max(1, end - start)

    def at(time: int) -> float:
        return float(min(100.0, max(0.0, (time - start) * scale)))

    bars = {}
    for span, depth in _in_order(spans):
        bars[span["span_id"]] = Bar(span, depth, at(span["start"]), span["duration"] * scale)
    for segment in critical_path:
        if bar := bars.get(segment["span_id"]):
            bar.critical.append((at(segment["start"]), segment["duration"] * scale))
    for log in logs:
        if bar := bars.get(log.get("span_id", "")):
            bar.logs.append((at(log["@timestamp"]), severity(log)))
    return Waterfall(start, end - start, tuple(bars.values()))


def _in_order(spans: Iterable[Body]) -> Iterable[tuple[Body, int]]:
    """Spans with their depth, each once, a parent before its children."""
    known = {span["span_id"]: span for span in spans}
    children: Mapping[str, list[Body]] = defaultdict(list)
    for span in known.values():
        children[span.get("parent_span_id", "")].append(span)
    by_start = sorted(known.values(), key=lambda span: (span["start"], span["span_id"]))
    tops = [span for span in by_start if span.get("parent_span_id", "") not in known]
    seen: set[str] = set()
    for top in (*tops, *by_start):  # what no top leads to is in a cycle of parents
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span["span_id"] in seen:
                continue
            seen.add(span["span_id"])
            yield span, depth
            below = sorted(children[span["span_id"]], key=lambda child: (child["start"], child["span_id"]), reverse=True)
            waiting += [(child, depth + 1) for child in below]
