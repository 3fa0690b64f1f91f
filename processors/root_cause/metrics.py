"""Whose metrics moved: the series of one instance that moved as the same series of the other instances did not."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from processors.detectors.rarity.tail import Tail
from processors.root_cause.change import heavy_tailed, robust_spread
from processors.root_cause.change_points import (
    LEAST_SPREAD,
    MIN_PEERS,
    PEER_WEIGHT,
    instance_of,
    likeliest_change_points,
    magnitude,
)
from processors.series.rates import is_bucket, rate
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from processors.root_cause.change_points import Levels

MIN_PEER_SPREAD = 0.7
"""In log units: least spread of the levels of a metric over instances."""


class MetricAttribution(NamedTuple):
    """A series that moved. `gain` is what remains after the like movement of its peers is subtracted."""

    service: str
    instance: str
    series: Series
    gain: float
    before: float
    after: float

    @property
    def weight(self) -> float:
        """In nats, compressed."""
        return float(np.log1p(self.gain))


class _Recent:
    """The last points of a series: as numbers side by side a sixth of what they take as pairs."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times, self._values = array("q"), array("d")

    def add(self, time: int, value: float, kept: int) -> None:
        self._times.append(time)
        self._values.append(value)
        if len(self._times) > kept:
            del self._times[0], self._values[0]

    def points(self) -> list[tuple[int, float]]:
        return list(zip(self._times, self._values, strict=True))


class MetricMemory:
    """The last `kept` points of each of at most `max_series` series, whose names and labels have at most `max_text` characters.

    The longest silent series is evicted first.
    """

    def __init__(self, kept: int = 64, max_series: int = 20_000, max_text: int = 16 << 20) -> None:
        self._kept = kept
        self._max_series, self._max_text = max_series, max_text
        self._text = 0
        self._series: OrderedDict[Series, _Recent] = OrderedDict()
        self.evicted = 0

    def add(self, point: Point) -> None:
        """Remember a point. One bucket of a histogram says little alone, and is not."""
        if is_bucket(point.series):
            return
        points = self._series.get(point.series)
        if points is None:
            points = self._series[point.series] = _Recent()
            self._text += point.series.length
        points.add(point.time, point.value, self._kept)
        self._series.move_to_end(point.series)
        while len(self._series) > self._max_series or self._text > self._max_text:
            self._text -= self._series.popitem(last=False)[0].length
            self.evicted += 1

    def change_point(self, now: int, horizon: int, width: int) -> int:
        """The time since `now` less `horizon` at which metrics moved most, to `width`; 0 where nothing moved."""
        levels = self._levels(now)
        times = {time - time % width for at, _ in levels.values() for time in at.tolist() if now - horizon <= time}
        best, found = 0.0, 0
        for time in likeliest_change_points(levels, np.array(sorted(times)[1:], dtype=np.int64)):
            gain = max((attribution.gain for attribution in self._attributions(levels, time)), default=0.0)
            if gain > best:
                best, found = gain, time
        return found

    def attributions(self, split: int, now: int) -> list[MetricAttribution]:
        """The movements since the time `split`, strongest first; before 0 there is no past, and all are peers."""
        return self._attributions(self._levels(now), split)

    def _levels(self, now: int) -> Levels:
        """Times (ns) and values of each series up to `now`, both (points,), ascending; of totals their growth per second."""
        levels: dict[Series, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for series, recent in self._series.items():
            raw = recent.points()
            points = [point for point in (_growth(series, raw) if series.total else raw) if point[0] <= now]
            if points:
                times, values = zip(*sorted(points), strict=True)
                levels[series] = np.array(times, dtype=np.int64), np.array(values, dtype=float)
        return levels

    def _attributions(self, levels: Levels, split: int) -> list[MetricAttribution]:
        peers: dict[str, list[_Member]] = {}
        for series, (times, values) in levels.items():
            late = times >= split
            if late.any():
                peers.setdefault(series.name, []).append(_Member(series, values[~late], values[late]))
        doubt = float(np.log(max(1, len(self._series))))
        attributions = [
            attribution
            for members in peers.values()
            if len(members) >= MIN_PEERS
            for attribution in _attributions(members, doubt)
        ]
        return _corroborated(attributions)


def _growth(series: Series, totals: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """What a total grew by, a second: its level says only how long it has been counting."""
    points = sorted(totals)
    rates = (rate(Point(series, *before), Point(series, *after)) for before, after in pairwise(points))
    return [(found.time, found.value) for found in rates if found is not None]


def _corroborated(attributions: list[MetricAttribution]) -> list[MetricAttribution]:
    """The farthest movement of each instance, strongest first; it gains what the instance's next one gains.

    One odd series of an instance is chance (a scrape, a backup); a fault shows in two.
    """
    of_instance: dict[tuple[str, str], list[MetricAttribution]] = {}
    for attribution in sorted(attributions, key=lambda attribution: (-attribution.gain, attribution.series)):
        of_instance.setdefault((attribution.service, attribution.instance), []).append(attribution)
    both = [
        first._replace(gain=second.gain) for first, second, *_ in (found for found in of_instance.values() if len(found) > 1)
    ]
    return sorted(both, key=lambda attribution: (-attribution.gain, attribution.series))


class _Member(NamedTuple):
    series: Series
    before: NDArray[np.float64]  # values before the change point, (points,)
    after: NDArray[np.float64]  # and since


def _attributions(members: list[_Member], doubt: float) -> list[MetricAttribution]:
    gains = np.array(_gains(members))
    rest = (gains.sum() - gains) / (len(gains) - 1)
    return [
        MetricAttribution(
            *instance_of(series),
            series,
            float(gain - common - doubt),
            float(np.median(before)) if before.size else float("nan"),
            float(after[np.argmax(np.abs(after))]),
        )
        for (series, before, after), gain, common in zip(members, gains, rest, strict=True)
        if gain - common > doubt
    ]


def _gains(members: list[_Member]) -> list[float]:
    """The gain of the farthest movement of each series, on a logarithmic scale."""
    scaled = magnitude([values for _, before, after in members for values in (before, after)])
    if scaled is None:
        return [0.0] * len(members)
    scaled_members = [(scaled(before), scaled(after)) for _, before, after in members]
    own = [float(np.median(before)) if before.size else None for before, _ in scaled_members]
    centres = np.array([centre for centre in own if centre is not None])
    if centres.size < MIN_PEERS:
        centres = np.array([np.median(after) for _, after in scaled_members])
    common, between = float(np.median(centres)), robust_spread(centres, MIN_PEER_SPREAD)
    wander = [
        before - centre
        for (before, _), centre in zip(scaled_members, own, strict=True)
        if centre is not None and before.size > 1
    ]
    drift = robust_spread(np.concatenate(wander) if wander else np.zeros(0), LEAST_SPREAD)
    tail = Tail()
    moved = []
    for (before, after), centre in zip(scaled_members, own, strict=True):
        if centre is not None:
            scatter = PEER_WEIGHT * drift**2 + float(((before - centre) ** 2).sum())
            spread = max(LEAST_SPREAD, np.sqrt(scatter / (PEER_WEIGHT + before.size - 1)))
            z = (after - centre) / spread
            for usual in np.abs(before - centre) / spread:
                tail.add(float(usual))
        else:
            z = (after - common) / between
        moved.append(float(z[np.argmax(np.abs(z))]))
    return [_gain(z, tail) for z in moved]


def _gain(z: float, tail: Tail) -> float:
    """How unlikely a movement is, by the tail of its peers' usual movements where enough are known.

    A fall counts half: victims fall idle, and so do services whose metrics fall.
    """
    gain = tail.surprise(abs(z)) if tail.warm else float(heavy_tailed(np.array(z)))
    return gain if z > 0 else gain / 2
