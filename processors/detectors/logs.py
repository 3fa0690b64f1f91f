"""Log anomalies: statements never written before, statements written far more often than usual, and a shift to errors.

A window is judged as a whole, so an outburst of a million lines is one anomaly a template and window.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import Field

from components.component import ComponentKind, Stability
from processors.assembly.watermark import SECOND
from processors.detectors.detector import Detector, DetectorComponent, DetectorConfig, Source
from processors.detectors.earlier_logs import upgraded
from processors.detectors.error_rate import LEAST_RATIO, FailureRate
from processors.detectors.log_windows import MAX_TEMPLATES, LogSource, LogWindow, LogWindows
from processors.detectors.rarity.surprise import surprise_of_count
from processors.detectors.series import SeriesDetector, SeriesDetectorConfig
from processors.detectors.streaming import score_of
from processors.series.quantities import digits
from telemetry.environment import DEFAULT_ENVIRONMENT, with_environment
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Point, Series
from telemetry.resource import service_labels
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.json_object import JsonObject

LINES = "spanloom_log_lines"
NEW_LINES = "spanloom_log_new_lines"
ERROR_RATIO = "spanloom_log_error_ratio"
"""Series that log anomalies name: lines of a template, lines of new templates, errors among the lines of a service."""

YOUNG = 6
"""Windows of a service before which every template is new and none is news."""

MEMORY = 360.0
"""Windows that the usual number of new lines is averaged over: an hour of windows of ten seconds."""

MAX_BURSTS = 5
"""Templates reported of a service and window: the strongest."""

_SNAPSHOT_VERSION = 1


@dataclass(slots=True)
class _Service:
    """What is usual of a service."""

    windows: float = 0.0
    new_lines: float = 0.5  # the shape of a Gamma distribution over `windows`, from Jeffreys' prior
    errors: FailureRate = field(default_factory=FailureRate)


class LogDetectorConfig(DetectorConfig):
    """From where on what a service writes is an anomaly."""

    min_error_ratio: float = Field(
        default=LEAST_RATIO,
        ge=0,
        le=1,
        description="Share of errors in a window below which there is no anomaly.",
    )


class LogDetector(Detector[LogWindow]):
    """Judges the lines of many services by what each of them usually writes.

    Args:
        config: from where on something is an anomaly.
        lines: where the windows come from, and the templates of their lines.
        max_services: bound; the one silent longest is evicted first, and `evicted` counts.
        max_templates: bound over all services, as above.
    """

    source = Source.LOG_WINDOWS
    saved_as = "logs"

    def __init__(
        self,
        config: LogDetectorConfig | None,
        lines: LogWindows,
        *,
        max_services: int = 500,
        max_templates: int = MAX_TEMPLATES,
    ) -> None:
        self._config = config or LogDetectorConfig()
        self.min_score = self._config.min_score
        self._lines, self._templates, self._max_services = lines, lines.templates, max_services
        self._watched: OrderedDict[tuple[LogSource, str], Series] = OrderedDict()  # by source and template
        self._max_templates = max_templates
        self._scorer = SeriesDetector(SeriesDetectorConfig(min_score=self._config.min_score), max_series=max_templates)
        self._services: OrderedDict[LogSource, _Service] = OrderedDict()
        self.evicted = 0

    def consume(self, items: Sequence[LogWindow], now: int) -> list[Anomaly]:
        """Judge windows, oldest first."""
        del now
        found: list[Anomaly] = []
        for window in items:
            self._know(window)
            found += self._judge(window)
        return found

    def dropped(self) -> Mapping[str, int]:
        """Services and templates over the bounds."""
        return {"log_templates": self.evicted}

    def _know(self, window: LogWindow) -> None:
        for source in dict.fromkeys(source for source, _ in window.lines):
            self._services.setdefault(source, _Service())
            self._services.move_to_end(source)
            if len(self._services) > self._max_services:
                self._services.popitem(last=False)
                self.evicted += 1

    def _judge(self, window: LogWindow) -> list[Anomaly]:
        totals, new = Counter[LogSource](), Counter[LogSource]()
        first: dict[LogSource, tuple[int, str]] = {}  # its new template with most lines
        for (source, template), count in window.lines.items():
            totals[source] += count
            if (source, template) not in self._watched:
                new[source] += count
                first[source] = max(first.get(source, (0, "")), (count, template))
        found: list[Anomaly] = []
        for source, total in sorted(totals.items()):
            known = self._services.get(source)
            if known is not None:
                found += self._judge_errors(window, source, known, total)
                found += self._judge_new(window, source, known, new[source], first.get(source, (0, ""))[1])
        found += self._judge_bursts(window)
        return found

    def _judge_errors(self, window: LogWindow, source: LogSource, known: _Service, total: int) -> Iterator[Anomaly]:
        errors = window.errors[source]
        scored = known.errors.update(errors, total)
        if scored.score >= self._config.min_score and errors >= self._config.min_error_ratio * total:
            most = max((count, name) for (of, name), count in window.error_lines.items() if of == source)[1]
            line, usual = self._templates.quoted(most), f"{scored.expected:.1%}"
            why = Wording.LOG_ERRORS(errors=errors, total=total, usual=usual, line=line)
            traces = tuple(window.failed.get(source, ()))
            yield _anomaly(ERROR_RATIO, source, window, scored.score, (scored.expected, errors / total), why, traces)

    def _judge_new(self, window: LogWindow, source: LogSource, known: _Service, lines: int, template: str) -> Iterator[Anomaly]:
        """Lines of templates that the service never wrote: as a Poisson count whose rate was learned (Gamma-Poisson)."""
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
        if score >= self._config.min_score:
            why = Wording.LOG_NEW(lines=lines, line=self._templates.quoted(template))
            traces = tuple(window.traces.get((source, template), ()))
            yield _anomaly(NEW_LINES, source, window, score, (expected, float(lines)), why, traces)

    def _judge_bursts(self, window: LogWindow) -> list[Anomaly]:
        end = window.start + window.width
        for key in window.lines:
            if key not in self._watched:
                self._watched[key] = _lines_of(*key)
            self._watched.move_to_end(key)
        while len(self._watched) > self._max_templates:
            self._watched.popitem(last=False)
            self.evicted += 1
        points = [Point(series, end, float(window.lines[key])) for key, series in self._watched.items()]
        strongest: dict[LogSource, list[Anomaly]] = {}
        for anomaly in sorted(self._scorer.add(points), key=lambda item: (-item.score, item.series)):
            strongest_of = strongest.setdefault(LogSource(anomaly.service, anomaly.environment), [])
            if anomaly.seen > anomaly.expected and len(strongest_of) < MAX_BURSTS:
                strongest_of.append(anomaly)
        return [self._burst(anomaly, window) for strongest_of in strongest.values() for anomaly in strongest_of]

    def _burst(self, anomaly: Anomaly, window: LogWindow) -> Anomaly:
        template = anomaly.series.label("template")
        why = Wording.LOG_BURST(
            line=self._templates.quoted(template),
            times=digits(anomaly.seen),
            seconds=f"{window.width / SECOND:g}",
            usual=digits(anomaly.expected),
        )
        traces = tuple(window.traces.get((LogSource(anomaly.service, anomaly.environment), template), ()))
        return replace(
            anomaly,
            kind=AnomalyKind.LOG,
            start=window.start,
            unit="{line}",
            why=why,
            trace_ids=traces,
        )

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. Open windows are not in it: what of them is not read again is not judged."""
        services = [
            [source.service, source.environment, known.windows, known.new_lines, known.errors.snapshot()]
            for source, known in self._services.items()
        ]
        return {
            "version": _SNAPSHOT_VERSION,
            **self._lines.snapshot(),
            "watched": [[of.service, name] for of, name in self._watched if of.environment == DEFAULT_ENVIRONMENT],
            "services": [row for row in services if row[1] == DEFAULT_ENVIRONMENT],
            # 0.2.0 does not read these, and learns again what it would mix up.
            "watched_in": [
                [of.service, name, of.environment] for of, name in self._watched if of.environment != DEFAULT_ENVIRONMENT
            ],
            "services_in": [row for row in services if row[1] != DEFAULT_ENVIRONMENT],
            "series": self._scorer.snapshot(),
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"log watch: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        snapshot = upgraded(snapshot)
        self._lines.restore(snapshot)
        self._scorer.restore(snapshot["series"])
        watched = [(LogSource(service), template) for service, template in snapshot["watched"]]
        watched += [(LogSource(service, environment), template) for service, template, environment in snapshot["watched_in"]]
        self._watched = OrderedDict((key, _lines_of(*key)) for key in watched)
        self._services.clear()
        for name, environment, windows, new_lines, errors in (*snapshot["services"], *snapshot["services_in"]):
            self._services[LogSource(name, environment)] = known = _Service(windows, new_lines)
            known.errors.restore(errors)


def _lines_of(source: LogSource, template: str) -> Series:
    labels = (*service_labels(source.service), ("template", template))
    return Series(LINES, with_environment(labels, source.environment))


def _anomaly(
    name: str,
    source: LogSource,
    window: LogWindow,
    score: float,
    numbers: tuple[float, float],
    why: str,
    traces: tuple[bytes, ...],
) -> Anomaly:
    return Anomaly(
        AnomalyKind.LOG,
        Series(name, with_environment(service_labels(source.service), source.environment)),
        source.service,
        window.start,
        window.start + window.width,
        score,
        *numbers,
        unit="1" if name == ERROR_RATIO else "{line}",
        why=why,
        environment=source.environment,
        trace_ids=traces,
    )


LOGS = DetectorComponent(
    kind=ComponentKind.DETECTOR,
    name="logs",
    config=LogDetectorConfig,
    build=lambda config, context: LogDetector(config, context.log_windows),
    summary="Statements never written before, bursts of known ones, and a shift to errors.",
    stability=Stability.STABLE,
)
