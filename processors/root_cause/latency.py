"""Who makes requests slower: exclusive time that rose, and who explains most of it with least left unexplained.

Time is counted where it passes: inside a visit while it waits for nobody (`self`), or between caller and callee (`gap`).
A slow callee therefore adds nothing to its callers. A gap is charged to both its ends, and the one whose other calls are
slow too is believed: a service with a slow network makes all its gaps grow, its caller only this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from processors.root_cause.change import PowerSums, level_shift, robust_spread
from processors.root_cause.instances import slower_instance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from processors.root_cause.trace_memory import Remembered

DRIFT = 0.2
"""Standard deviation of the natural movement of a log duration between periods: a fifth more or less is weather."""

PEER_SPREAD = 0.7
"""Least spread of log durations over the measurements of one kind, for one that has no past."""

FEW = 3
"""Observations below which a measurement counts as having no past."""

EXAMPLES = 3
"""Traces named with a charge."""

CALLER = 0.9
"""What a slow call says against its caller when it says 1 against its callee."""


class Stretch(NamedTuple):
    """Where time passes. `caller` is empty for self time."""

    caller: str
    service: str
    operation: str

    def ends(self) -> tuple[str, ...]:
        """The services that may be to blame."""
        return (self.service, self.caller) if self.caller else (self.service,)


class LatencyAttribution(NamedTuple):
    """What a service has to answer for: `share` of the added time, `precision` of the charge, and its heaviest stretch."""

    service: str
    gain: float
    share: float
    precision: float
    stretch: Stretch
    before: float  # nanoseconds, geometric mean
    after: float
    trace_ids: tuple[bytes, ...] = ()  # the slowest since, in that stretch
    instance: str = ""  # the one instance that the times are of, where one stands out

    @property
    def weight(self) -> float:
        """In nats, compressed: certainty beyond all doubt counts little more than certainty."""
        return float(np.log1p(self.gain)) * self.share * self.precision


def _summed(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """A table of this shape with `values` added up at (row, column); the three arrays have shape (observations,)."""
    table = np.zeros(shape)
    np.add.at(table, (rows, columns), values)
    return table


def _sides(power_sums: Sequence[NDArray[np.float64]], split: int) -> tuple[PowerSums, PowerSums]:
    """Power sums (0, 1, 2), each of shape (rows, buckets), added up before bucket `split` and from it on; shape (rows,)."""
    return (
        PowerSums(*(sums[:, :split].sum(axis=1) for sums in power_sums)),
        PowerSums(*(sums[:, split:].sum(axis=1) for sums in power_sums)),
    )


class LatencyTable:
    """Log durations (natural, of nanoseconds) by stretch and bucket of time.

    Observations are flat arrays of shape (observations,): stretch number, bucket number, log duration. The tables of
    their power sums have shape (stretches, buckets).
    """

    def __init__(self, buckets: Sequence[Sequence[Remembered]]) -> None:
        index: dict[Stretch, int] = {}
        at: list[int] = []
        when: list[int] = []
        values: list[float] = []
        whose: list[bytes] = []
        self._ends: list[tuple[str, ...]] = []  # the instances of the stretch's ends
        for number, traces in enumerate(buckets):
            for trace in traces:
                for visit in trace.visits:
                    stretch = Stretch("", visit.service, visit.operation)
                    at.append(index.setdefault(stretch, len(index)))
                    when.append(number)
                    values.append(visit.self_time)
                    whose.append(trace.trace_id)
                    self._ends.append((visit.instance,))
                    if visit.gap >= 0:
                        caller = trace.visits[visit.parent]
                        stretch = Stretch(caller.service, visit.service, visit.operation)
                        at.append(index.setdefault(stretch, len(index)))
                        when.append(number)
                        values.append(visit.gap)
                        whose.append(trace.trace_id)
                        self._ends.append((visit.instance, caller.instance))
        self.stretches = list(index)
        self._traces = np.array([len(traces) for traces in buckets], dtype=float)
        logs = np.log(np.array(values, dtype=float) + 50_000.0)  # below 50 microseconds all durations are alike
        self._at, self._when, self._logs, self._whose = np.array(at, dtype=int), np.array(when, dtype=int), logs, whose
        shape = (len(index), len(buckets))
        self._power_sums = [_summed(self._at, self._when, logs**power, shape) for power in range(3)]
        self._parts, self._within = self._of_instances(shape[1])
        self._is_gap = np.array([bool(stretch.caller) for stretch in self.stretches], dtype=bool)

    def _of_instances(self, buckets: int) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
        """Power sums of each instance at each end of the stretches that have several there, and the stretch of each.

        The sums (0, 1, 2) have shape (instances, buckets), the stretch numbers (instances,).
        """
        instances: dict[tuple[int, int], set[str]] = {}
        for stretch, ends in zip(self._at.tolist(), self._ends, strict=True):
            for end, instance in enumerate(ends):
                instances.setdefault((stretch, end), set()).add(instance)
        rows = [(*place, name) for place, names in instances.items() if len(names) > 1 for name in sorted(names)]
        index = {row: number for number, row in enumerate(rows)}
        pairs = [
            (row, number)
            for number, (stretch, ends) in enumerate(zip(self._at.tolist(), self._ends, strict=True))
            for end, instance in enumerate(ends)
            if (row := index.get((stretch, end, instance))) is not None
        ]
        of, which = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        power_sums = [_summed(of, self._when[which], self._logs[which] ** power, (len(rows), buckets)) for power in range(3)]
        self._rivals = np.array([float(len(instances[stretch, end])) for stretch, end, _ in rows])
        return power_sums, np.array([stretch for stretch, _, _ in rows], dtype=np.int64)

    def shifts(self, split: int) -> NDArray[np.float64]:
        """How many standard errors each stretch, or one of its instances, is longer from bucket `split` on; shape (stretches,).

        A stretch without a past is compared with its peers: all stretches of its kind, self time or gap.
        """
        before, after = _sides(self._power_sums, split)
        z = np.maximum(level_shift(before, after, DRIFT), self._strongest_instance(split))
        fresh = (before.n < FEW) & (after.n >= FEW)
        for kind in (False, True):
            peers = self._is_gap == kind
            seen = peers & (before.n >= FEW)
            past = before.mean()[seen] if seen.sum() >= FEW else after.mean()[peers & (after.n >= FEW)]
            if past.size >= FEW:
                spread = robust_spread(past, PEER_SPREAD)
                z = np.where(peers & fresh, (after.mean() - np.median(past)) / spread, z)
        return np.where(after.n >= FEW, z, 0.0)

    def _strongest_instance(self, split: int) -> NDArray[np.float64]:
        """By stretch, shape (stretches,), what one instance says alone, less the doubt of as many tests.

        Three pods must not dilute one's fault.
        """
        before, after = _sides(self._parts, split)
        known = (before.n >= FEW) & (after.n >= FEW)
        z = np.where(known, np.maximum(level_shift(before, after, DRIFT), 0.0), 0.0)
        strongest = np.full(len(self.stretches), -np.inf)
        np.maximum.at(strongest, self._within, np.sqrt(np.maximum(z**2 - 2 * np.log(self._rivals), 0.0)))
        return strongest

    def strongest(self, split: int) -> float:
        """The greatest gain of any stretch with a past: that something is called for the first time dates no change."""
        if not self.stretches:
            return 0.0
        before, _ = _sides(self._power_sums, split)
        return float(np.max(np.where(before.n >= FEW, np.maximum(self.shifts(split), 0.0), 0.0)) ** 2 / 2)

    def _past(self, before: PowerSums, after: PowerSums) -> NDArray[np.float64]:
        """The mean log duration that each stretch had, or its peers where it has no past; shape (stretches,)."""
        known = before.n >= FEW
        past = before.mean()
        for kind in (False, True):
            peers = self._is_gap == kind
            means = before.mean()[peers & known] if np.any(peers & known) else after.mean()[peers]
            if means.size:
                past = np.where(peers & ~known, np.median(means), past)
        return past

    def attributions(self, split: int) -> list[LatencyAttribution]:
        """What each service has to answer for when bucket `split` is the first of the changed period."""
        if not self.stretches:
            return []
        before, after = _sides(self._power_sums, split)
        gain = np.maximum(0.0, np.maximum(self.shifts(split), 0.0) ** 2 / 2 - np.log(len(self.stretches)))
        risen = gain / (gain + 1.0)  # how far it is believed to have risen at all
        past = self._past(before, after)
        calls = after.n / max(1.0, float(self._traces[split:].sum()))
        added = np.maximum(0.0, np.exp(after.mean()) - np.exp(past)) * calls * risen
        attributions = []
        for service, groups in self._groups(after).items():
            own = [number for group in groups.values() for number in group]
            mine = float(added[own].sum())
            if mine <= 0:
                continue
            precision = max(float(risen[group].mean()) * (CALLER if name == "out" else 1.0) for name, group in groups.items())
            worst = max(own, key=lambda number: (added[number], gain[number]))
            attributions.append(
                LatencyAttribution(
                    service,
                    float(gain[own].max()),
                    mine / float(added.sum()),
                    precision,
                    self.stretches[worst],
                    float(np.exp(past[worst])),
                    float(np.exp(after.mean()[worst])),
                    self._slowest(worst, split),
                )
            )
        return attributions

    def narrowed(self, attribution: LatencyAttribution, split: int) -> LatencyAttribution:
        """The attribution to the one instance that has become slower as no other has, if there is one."""
        end = attribution.stretch.ends().index(attribution.service)
        spent = np.flatnonzero(self._at == self.stretches.index(attribution.stretch))
        names = [self._ends[number][end] for number in spent]
        since = self._when[spent] >= split
        instance = slower_instance(names, self._logs[spent], since, DRIFT)
        if not instance:
            return attribution
        own = np.array(names) == instance
        past = self._logs[spent[own & ~since]]
        return attribution._replace(
            instance=instance,
            before=float(np.exp(past.mean())) if past.size else attribution.before,
            after=float(np.exp(self._logs[spent[own & since]].mean())),
        )

    def _slowest(self, stretch: int, split: int) -> tuple[bytes, ...]:
        """The traces that spent most time in a stretch from bucket `split` on."""
        spent = np.flatnonzero((self._at == stretch) & (self._when >= split))
        slowest = spent[np.argsort(-self._logs[spent], kind="stable")]
        return tuple(dict.fromkeys(self._whose[number] for number in slowest))[:EXAMPLES]

    def _groups(self, after: PowerSums) -> dict[str, dict[str, list[int]]]:
        """By service, the stretches that it has to do with: its own time, calls that came in, calls that went out."""
        groups: dict[str, dict[str, list[int]]] = {}
        for number, stretch in enumerate(self.stretches):
            if after.n[number] < FEW:
                continue
            for service in stretch.ends():
                name = "self" if not stretch.caller else "in" if service == stretch.service else "out"
                groups.setdefault(service, {}).setdefault(name, []).append(number)
        return groups
