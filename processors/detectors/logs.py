"""Log anomalies: statements never written before, statements written far more often than usual, and a shift to errors.

Lines are mined for their templates and counted by service and template in windows of event time. A window is judged as
a whole once no more lines of it are waited for, so an outburst of a million lines is one anomaly a template and window.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from processors.assembly.watermark import SECOND, Watermark
from processors.detectors.error_rate import LEAST_RATIO, FailureRate
from processors.detectors.log_templates import LogTemplates
from processors.detectors.series import ALARM, SeriesDetector
from processors.detectors.streaming import score_of
from processors.detectors.surprise import surprise_of_count
from processors.series.quantities import digits
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.logs import ERROR
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject

LINES = "spanloom_log_lines"
NEW_LINES = "spanloom_log_new_lines"
ERROR_RATIO = "spanloom_log_error_ratio"
"""Series that log anomalies name: lines of a template, lines of new templates, errors among the lines of a service."""

YOUNG = 6
"""Windows of a service before which every template is new and none is news."""

MEMORY = 360.0
"""Windows that the usual number of new lines is averaged over: an hour of windows of ten seconds."""

MAX_OPEN = 64
"""Windows open at once: a line beyond counts as late."""

MAX_BURSTS = 5
"""Templates told of a service and window: the strongest."""

_MAX_TRACES = 5
_SNAPSHOT_VERSION = 1


@dataclass(slots=True)
class _Service:
    """What is usual of a service."""

    environment: str = ""
    windows: float = 0.0
    new_lines: float = 0.5  # the shape of a Gamma distribution over `windows`, from Jeffreys' prior
    errors: FailureRate = field(default_factory=FailureRate)


@dataclass(slots=True)
class _Window:
    lines: Counter[tuple[str, str]] = field(default_factory=Counter)  # by service and template
    errors: Counter[str] = field(default_factory=Counter)  # by service
    error_lines: Counter[tuple[str, str]] = field(default_factory=Counter)  # by service and template
    traces: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)  # by service and template: the first few
    failed: dict[str, list[bytes]] = field(default_factory=dict)  # by service: of its errors


class LogDetector:
    """Judges the lines of many services by what each of them usually writes.

    Args:
        width: of a window, nanoseconds of event time.
        allowed_lateness: how long after its end a window is judged.
        max_services: bound; the one silent longest is forgotten first, and `evicted` counts.
        max_templates: bound over all services, as above; also on those of a window.
    """

    def __init__(
        self, width: int = 10 * SECOND, allowed_lateness: int = 5 * SECOND, max_services: int = 500, max_templates: int = 2000
    ) -> None:
        self._width, self._allowed_lateness, self._max_services = width, allowed_lateness, max_services
        self._templates = LogTemplates(max_templates)
        self._watched: OrderedDict[tuple[str, str], Series] = OrderedDict()  # by service and template
        self._max_templates = max_templates
        self._scorer = SeriesDetector(max_templates)
        self._services: OrderedDict[str, _Service] = OrderedDict()
        self._windows: dict[int, _Window] = {}
        self._watermark = Watermark()
        self._sealed = 0  # end of the last window judged
        self.late = 0
        self.evicted = 0

    def add(
        self, service: str, time: int, severity: int, text: str, *, now: int, trace_id: bytes = b"", environment: str = ""
    ) -> str:
        """Count a line; gives the id of its template. A line from later than `now` was written by a wrong clock, now."""
        template = self._templates.add(service, text)
        time = min(time, now)
        start = time - time % self._width
        if start < self._sealed or (start not in self._windows and len(self._windows) >= MAX_OPEN):
            self.late += 1
            return template
        self._watermark.observe(time)
        window = self._windows.setdefault(start, _Window())
        if (service, template) not in window.lines and len(window.lines) >= self._max_templates:
            self.evicted += 1  # a service whose lines are all unlike each other
            return template
        window.lines[service, template] += 1
        if severity >= ERROR:
            window.errors[service] += 1
            window.error_lines[service, template] += 1
        if trace_id:
            _keep(window.traces.setdefault((service, template), []), trace_id)
            if severity >= ERROR:
                _keep(window.failed.setdefault(service, []), trace_id)
        known = self._services.setdefault(service, _Service())
        known.environment = environment
        self._services.move_to_end(service)
        if len(self._services) > self._max_services:
            self._services.popitem(last=False)
            self.evicted += 1
        return template

    @property
    def overflow(self) -> int:
        """What the bounds on mining templates have cost: see `LogTemplates.forgotten`."""
        return self._templates.evicted

    @property
    def sealed(self) -> int:
        """The end of the last window that was judged, nanoseconds; 0 before the first."""
        return self._sealed

    def elapse(self, duration: int) -> None:
        """Let event time pass without lines: what was written last before a silence is judged too."""
        self._watermark.elapse(duration)

    def advance(self) -> list[Anomaly]:
        """Judge the windows of which no more lines are waited for, oldest first."""
        return self._seal(self._watermark.time - self._allowed_lateness)

    def close(self) -> list[Anomaly]:
        """Judge every window that is left: the input has ended."""
        return self._seal(max(self._windows, default=0) + self._width)

    def _seal(self, until: int) -> list[Anomaly]:
        found = []
        for start in sorted(start for start in self._windows if start + self._width <= until):
            self._sealed = start + self._width
            found += self._judge(start, self._windows.pop(start))
        return found

    def _judge(self, start: int, window: _Window) -> list[Anomaly]:
        totals, new = Counter[str](), Counter[str]()
        first: dict[str, tuple[int, str]] = {}  # by service: its new template with most lines
        for (service, template), count in window.lines.items():
            totals[service] += count
            if (service, template) not in self._watched:
                new[service] += count
                first[service] = max(first.get(service, (0, "")), (count, template))
        found: list[Anomaly] = []
        for service, total in sorted(totals.items()):
            known = self._services.get(service)
            if known is not None:
                found += self._judge_errors(start, window, service, known, total)
                found += self._judge_new(start, window, service, known, new[service], first.get(service, (0, ""))[1])
        found += self._judge_bursts(start, window)
        return found

    def _judge_errors(self, start: int, window: _Window, service: str, known: _Service, total: int) -> Iterator[Anomaly]:
        errors = window.errors[service]
        scored = known.errors.update(errors, total)
        if scored.score >= ALARM and errors >= LEAST_RATIO * total:
            most = max((count, name) for (of, name), count in window.error_lines.items() if of == service)[1]
            why = f"{errors} of {total} log lines are errors, usually {scored.expected:.1%}: {self._templates.quoted(most)}"
            series = Series(ERROR_RATIO, (("service", service),))
            traces = tuple(window.failed.get(service, ()))
            yield self._anomaly(series, known, start, scored.score, (scored.expected, errors / total), why, traces)

    def _judge_new(
        self, start: int, window: _Window, service: str, known: _Service, lines: int, template: str
    ) -> Iterator[Anomaly]:
        """Lines of templates that the service never wrote: as a Poisson count whose rate was learnt (Gamma-Poisson)."""
        known.windows += 1.0
        if known.windows <= YOUNG:
            return
        before = known.windows - YOUNG  # this window included: the prior is worth one
        expected = known.new_lines / before
        score = score_of(surprise_of_count(lines, known.new_lines, before)) if lines > expected else 0.0
        # What is news must not become usual at once.
        known.new_lines += lines if score < 0.5 else min(lines, expected)
        if before > MEMORY:
            known.windows, known.new_lines = MEMORY + YOUNG, known.new_lines * MEMORY / before
        if score >= ALARM:
            why = f"{lines} log lines of statements never seen before: {self._templates.quoted(template)}"
            traces = tuple(window.traces.get((service, template), ()))
            series = Series(NEW_LINES, (("service", service),))
            yield self._anomaly(series, known, start, score, (expected, float(lines)), why, traces)

    def _judge_bursts(self, start: int, window: _Window) -> list[Anomaly]:
        end = start + self._width
        for key in window.lines:
            if key not in self._watched:
                service, template = key
                self._watched[key] = Series(LINES, (("service", service), ("template", template)))
            self._watched.move_to_end(key)
        while len(self._watched) > self._max_templates:
            self._watched.popitem(last=False)
            self.evicted += 1
        points = [Point(series, end, float(window.lines[key])) for key, series in self._watched.items()]
        strongest: dict[str, list[Anomaly]] = {}
        for anomaly in sorted(self._scorer.add(points), key=lambda item: (-item.score, item.series)):
            strongest_of = strongest.setdefault(anomaly.service, [])
            if anomaly.seen > anomaly.expected and len(strongest_of) < MAX_BURSTS:
                strongest_of.append(anomaly)
        return [self._burst(anomaly, start, window) for strongest_of in strongest.values() for anomaly in strongest_of]

    def _burst(self, anomaly: Anomaly, start: int, window: _Window) -> Anomaly:
        template = anomaly.series.label("template")
        known = self._services.get(anomaly.service, _Service())
        why = (
            f"{self._templates.quoted(template)} written {digits(anomaly.seen)} times in {self._width / SECOND:g} s, "
            f"where {digits(anomaly.expected)} is usual"
        )
        traces = tuple(window.traces.get((anomaly.service, template), ()))
        return replace(
            anomaly,
            kind=AnomalyKind.LOG,
            start=start,
            unit="{line}",
            why=why,
            environment=known.environment,
            trace_ids=traces,
        )

    def _anomaly(
        self,
        series: Series,
        known: _Service,
        start: int,
        score: float,
        numbers: tuple[float, float],
        why: str,
        traces: tuple[bytes, ...],
    ) -> Anomaly:
        return Anomaly(
            AnomalyKind.LOG,
            series,
            series.label("service"),
            start,
            start + self._width,
            score,
            *numbers,
            unit="1" if series.name == ERROR_RATIO else "{line}",
            why=why,
            environment=known.environment,
            trace_ids=traces,
        )

    def snapshot(self) -> JsonObject:
        """Plain data that `restore` takes. Open windows are not in it: what of them is not read again is not judged."""
        return {
            "version": _SNAPSHOT_VERSION,
            "sealed": self._sealed,
            "templates": self._templates.snapshot(),
            "watched": [list(key) for key in self._watched],
            "services": [
                [name, known.environment, known.windows, known.new_lines, known.errors.snapshot()]
                for name, known in self._services.items()
            ],
            "series": self._scorer.snapshot(),
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"log watch: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        self._sealed = snapshot["sealed"]
        self._watermark = Watermark(time=self._sealed)
        self._windows.clear()
        self._templates.restore(snapshot["templates"])
        self._scorer.restore(snapshot["series"])
        self._watched = OrderedDict(
            ((service, template), Series(LINES, (("service", service), ("template", template))))
            for service, template in snapshot["watched"]
        )
        self._services.clear()
        for name, environment, windows, new_lines, errors in snapshot["services"]:
            self._services[name] = _Service(environment, windows, new_lines)
            self._services[name].errors.restore(errors)


def _keep(traces: list[bytes], trace_id: bytes) -> None:
    if len(traces) < _MAX_TRACES and trace_id not in traces:
        traces.append(trace_id)
