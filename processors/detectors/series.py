"""Scores many series at once and reports the anomalies among them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from components.component import ComponentKind, Stability
from processors.detectors.detector import Detector, DetectorComponent, DetectorConfig, Source
from processors.detectors.streaming import Scored, StreamingDetector
from processors.series.rates import is_bucket, rate
from telemetry.environment import environment_of
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.json_object import JsonObject

LONGEST = 60
"""Values after which an anomaly that goes on is how things are now."""

LEAST_SHARE = 0.25
"""What is within a quarter of the expected value is no anomaly worth a person's time, however certain."""

AT_ONCE = 0.9
"""Score (once in 500 million values) from which one latency is an anomaly by itself. Below it the next one has to be nearer
to it than to what was expected: 50 services have a million values a day, and a single slow request is no fault."""

_SECOND = 1_000_000_000
_SNAPSHOT_VERSION = 3


class _Unit(NamedTuple):
    suffix: str
    unit: str
    least: float  # a distance that never matters


_UNITS = (
    _Unit("_seconds", "s", 0.005),
    _Unit("_seconds_sum", "1", 0.1),  # seconds a second are a share
    _Unit("_milliseconds", "ms", 5.0),
    _Unit("_ratio", "1", 0.1),
    _Unit("_percent", "%", 5.0),
    _Unit("_per_second", "1/s", 0.5),
    _Unit("_bytes", "By", 1_000_000.0),
)

_KINDS = (  # latency first
    (("latency", "duration", "self_time"), AnomalyKind.LATENCY),
    (("error", "fail"), AnomalyKind.ERRORS),
    (("call_rate", "calls", "requests", "throughput"), AnomalyKind.THROUGHPUT),
)

_HARM = {AnomalyKind.LATENCY, AnomalyKind.ERRORS}
"""Kinds of which only more is an anomaly: what has become faster or fails less is to wake nobody."""


@dataclass(slots=True)
class _SeriesState:
    detector: StreamingDetector
    last: Point | None = None
    begun: tuple[Scored, float] | None = None  # how the anomaly that goes on was scored, and the value it began with
    length: int = 0  # values since
    unconfirmed: int | None = None  # when it began, while only its first value speaks for it
    whole: bool = True  # whether every value was a whole number: then it counts things


class SeriesDetectorConfig(DetectorConfig):
    """From where on a value of a series is an anomaly."""

    min_change: float = Field(
        default=LEAST_SHARE, ge=0, description="Share of the expected value within which a value is no anomaly, however rare."
    )
    at_once_score: float = Field(
        default=AT_ONCE,
        ge=0,
        le=1,
        description="Score from which a single latency is an anomaly; below it the next one has to confirm it.",
    )
    max_values: int = Field(
        default=LONGEST, gt=0, description="Values after which an anomaly that goes on is how things are now."
    )


class SeriesDetector(Detector[Point]):
    """One detector for each of at most `max_series` series, whose names and labels have at most `max_text` characters.

    The one silent longest is evicted first, and counted.

    Points of one series are scored in the order of their times; a point that is not later than the last one of its
    series is skipped and counted. Totals are scored as rates, buckets not at all. What only ever had whole values
    counts things, and is judged as a count.
    """

    source = Source.POINTS
    saved_as = "scores"
    explains = False  # only the stage knows which calls a series of an edge is about

    def __init__(
        self, config: SeriesDetectorConfig | None = None, *, max_series: int = 20_000, max_text: int = 16 << 20
    ) -> None:
        self._config = config or SeriesDetectorConfig()
        self.min_score = self._config.min_score
        self._max, self._max_text = max_series, max_text
        self._text = 0
        self._states: OrderedDict[Series, _SeriesState] = OrderedDict()
        self.evicted = 0
        self.late = 0

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._states)

    def consume(self, items: Sequence[Point], now: int) -> list[Anomaly]:
        """As `add`; the times of points are not looked at."""
        del now
        return self.add(items)

    def dropped(self) -> Mapping[str, int]:
        """Series over the bounds, and points that came late."""
        return {"series": self.evicted, "points_late": self.late}

    def add(self, points: Iterable[Point]) -> list[Anomaly]:
        """Score points and learn them; returns the anomalies: those that begin, and those that go on."""
        anomalies = []
        for point in points:
            before = self._states.get(point.series)
            last = before.last if before is not None else None
            scored = self.score(point)
            known = self._states[point.series]
            if known.last is not point:
                continue  # late or no value of its own
            seen = _seen(last, point)
            start = last.time if last is not None else point.time
            goes_on = known.begun is not None and _goes_on(known.begun, seen)
            if scored.score >= self._config.min_score and _matters(point.series, seen, scored, self._config.min_change):
                is_alone = (
                    _kind(point.series) is AnomalyKind.LATENCY and scored.score < self._config.at_once_score and not goes_on
                )
                start = known.unconfirmed if goes_on and known.unconfirmed is not None else start
                known.begun, known.length, known.unconfirmed = (scored, seen), 0, start if is_alone else None
            elif known.begun is not None:
                known.length += 1
                if known.length > self._config.max_values or not goes_on:
                    known.begun = None
                elif known.unconfirmed is not None:
                    start, known.unconfirmed = known.unconfirmed, None
            if known.begun is not None and known.unconfirmed is None:
                anomalies.append(_anomaly(point, known.begun[0], seen, start))
        return anomalies

    def _evict(self) -> None:
        while len(self._states) > self._max or (self._text > self._max_text and len(self._states) > 1):
            self._text -= self._states.popitem(last=False)[0].length
            self.evicted += 1

    def score(self, point: Point) -> Scored:
        """Score one point and learn it."""
        known = self._states.get(point.series)
        if known is None:
            known = self._states[point.series] = _SeriesState(StreamingDetector(_unit(point.series).least))
            self._text += point.series.length
            self._evict()
        self._states.move_to_end(point.series)
        last, nothing = known.last, Scored(0.0, 0.0, point.value, 0.0, "nothing to compare with")
        if is_bucket(point.series):
            return nothing
        if last is not None and point.time <= last.time:
            self.late += 1
            return nothing
        known.last = point
        known.whole = known.whole and float(point.value).is_integer()
        if not point.series.total:
            return known.detector.update(point.time, point.value, one=float(known.whole))
        growth = rate(last, point) if last is not None else None
        if last is None or growth is None:
            return nothing
        one = _SECOND / (point.time - last.time) if known.whole else 0.0
        return known.detector.update(growth.time, growth.value, one=one)

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        return {
            "version": _SNAPSHOT_VERSION,
            "series": [
                [
                    series.name,
                    [list(label) for label in series.labels],
                    [known.last.time, known.last.value] if known.last is not None else None,
                    [[*astuple(known.begun[0])], known.begun[1], known.length, known.unconfirmed]
                    if known.begun is not None
                    else None,
                    known.whole,
                    known.detector.snapshot(),
                ]
                for series, known in self._states.items()
            ],
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"scores: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        self._states.clear()
        for name, labels, last, begun, whole, state in snapshot["series"]:
            series = Series(name, tuple((key, value) for key, value in labels))
            known = _SeriesState(StreamingDetector(_unit(series).least), Point(series, last[0], last[1]) if last else None)
            if begun is not None:
                known.begun, known.length = (Scored(*begun[0]), begun[1]), begun[2]
                known.unconfirmed = begun[3] if len(begun) > 3 else None  # 0.3.0 knows none
            known.whole = whole
            known.detector.restore(state)
            self._states[series] = known
        self._text = sum(series.length for series in self._states)


def _unit(series: Series) -> _Unit:
    return next((unit for unit in _UNITS if series.name.endswith(unit.suffix)), _Unit("", "", 0.0))


def _seen(last: Point | None, point: Point) -> float:
    """The value that was scored: of a total its rate."""
    if not point.series.total:
        return point.value
    growth = rate(last, point) if last is not None else None
    return growth.value if growth is not None else 0.0


def _kind(series: Series) -> AnomalyKind:
    name = series.name
    # How many durations there were, or how long they were in all, is not how long each was.
    named = _KINDS[1:] if name.endswith(("_count", "_sum")) else _KINDS
    kind = next((kind for words, kind in named if any(word in name for word in words)), AnomalyKind.METRIC)
    if kind is AnomalyKind.METRIC and series.total and name.endswith("_count"):
        return AnomalyKind.THROUGHPUT
    return kind


def _matters(series: Series, seen: float, scored: Scored, min_change: float) -> bool:
    if seen < scored.expected and _kind(series) in _HARM:
        return False
    return abs(seen - scored.expected) > max(_unit(series).least, min_change * abs(scored.expected))


def _goes_on(begun: tuple[Scored, float], seen: float) -> bool:
    """Whether a value is still nearer to the one that began the anomaly than to what was expected then."""
    scored, first = begun
    return abs(seen - first) < abs(seen - scored.expected) or (seen - first) * (first - scored.expected) > 0


def _anomaly(point: Point, scored: Scored, seen: float, start: int) -> Anomaly:
    series = point.series
    return Anomaly(
        _kind(series),
        series,
        series.service,
        start,
        point.time,
        scored.score,
        scored.expected,
        seen,
        _unit(series).unit,
        scored.why,
        operation=series.label("operation") or series.label("span_name"),
        instance=series.label("k8s_pod_name") or series.label("instance"),
        environment=environment_of(series),
    )


SERIES = DetectorComponent(
    kind=ComponentKind.DETECTOR,
    name="series",
    config=SeriesDetectorConfig,
    build=lambda config, _: SeriesDetector(config),
    summary="Values of a series that its past does not explain: metrics, latency, throughput.",
    stability=Stability.STABLE,
)
