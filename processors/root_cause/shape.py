"""Who behaves differently: calls, operations, errors and log lines of a visit whose frequency has changed.

Failures count among all visits, and only when there are more of them. The other events count among visits in and below
which nothing failed: what a failure cuts short is explained by the failure, and that old failures have ceased is no fault.

A service also behaves differently because another one does: a caller gets an error and gives up; a callee is asked for
something else. So each change is weighed again among the visits below which nothing deviates; and then, strongest
first, among those above which nothing deviates that has been charged already. What is left is the service's own doing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from processors.root_cause.change import PRIOR_WEIGHT, share_shift
from processors.root_cause.instances import odd_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from processors.call_graph.visits import Event, Visit
    from processors.root_cause.trace_memory import Remembered

ShapeNode = tuple[str, str]
"""Service and operation of a visit."""

Key = tuple[ShapeNode, "Event"]

CERTAIN = 2.0
"""Nats beyond the doubt of many tests from which a change takes part in explaining others."""

EXAMPLES = 3
"""Trace ids given as evidence."""


class ShapeAttribution(NamedTuple):
    """An event whose frequency changed in the visits of a place: traces with it, of traces with the place."""

    service: str
    operation: str
    event: Event
    gain: float
    before: tuple[int, int]
    after: tuple[int, int]
    trace_ids: tuple[bytes, ...]
    instance: str = ""  # the one instance that the counts are of, where one stands out

    @property
    def weight(self) -> float:
        """In nats, compressed: certainty beyond all doubt counts little more than certainty."""
        return float(np.log1p(self.gain))


class ShapeTable:
    """In how many traces each event occurred in the visits of each place, by bucket of time.

    Hits and trials have shape (events, buckets), float64.
    """

    def __init__(self, buckets: Sequence[Sequence[Remembered]]) -> None:
        self._traces = [
            (number, trace, list(zip(trace.visits, _failing(trace.visits), strict=True)))
            for number, traces in enumerate(buckets)
            for trace in traces
        ]
        index: dict[Key, int] = {}
        places: dict[tuple[ShapeNode, bool], int] = {}
        hits: list[tuple[int, int]] = []
        trials: list[tuple[int, int]] = []
        for number, _, visits in self._traces:
            for (place, only_failures), events in _by_place(visits).items():
                trials.append((places.setdefault((place, only_failures), len(places)), number))
                hits += [(index.setdefault((place, event), len(index)), number) for event in events]
        self._keys = list(index)
        self._index = index
        self._failure = np.array([event.is_failure for _, event in self._keys], dtype=bool)
        self._hits = _counted(hits, len(index), len(buckets))
        of = np.array([places.get((place, event.is_failure), 0) for place, event in self._keys], dtype=int)
        self._trials = _counted(trials, len(places), len(buckets))[of] if places else np.zeros((0, len(buckets)))

    def _sides(self, split: int) -> tuple[NDArray[np.float64], ...]:
        """Hits, trials, and both since bucket `split`; each of shape (events,)."""
        return tuple(
            table[:, part].sum(axis=1)
            for part in (slice(None, split), slice(split, None))
            for table in (self._hits, self._trials)
        )

    def gains(self, split: int) -> NDArray[np.float64]:
        """The gain of each event when its frequency changes at bucket `split`; nothing is gained without a past.

        In nats; shape (events,).
        """
        hits, trials, hits_after, trials_after = self._sides(split)
        gain = share_shift(hits, trials, hits_after, trials_after) / self._dispersion(split)
        ceased = self._failure & ~self._risen(split)
        return np.where(ceased | (trials == 0), 0.0, gain)

    def _risen(self, split: int) -> NDArray[np.bool_]:
        """Whether the share of each event is larger from bucket `split` on; shape (events,)."""
        hits, trials, hits_after, trials_after = self._sides(split)
        return np.asarray(hits_after / np.maximum(1, trials_after) > hits / np.maximum(1, trials))

    def _dispersion(self, split: int) -> NDArray[np.float64]:
        """How much more the shares vary from bucket to bucket than chance would make them (at least 1); shape (events,)."""
        squares = np.zeros(len(self._keys))
        freedom = np.zeros(len(self._keys))
        for part in (slice(None, split), slice(split, None)):
            hits, trials = self._hits[:, part], self._trials[:, part]
            share = (hits.sum(axis=1) / np.maximum(trials.sum(axis=1), 1.0))[:, None]
            variance = trials * share * (1 - share)
            squares += np.where(variance > 0, (hits - trials * share) ** 2 / np.maximum(variance, 1e-9), 0.0).sum(axis=1)
            freedom += np.maximum((variance > 0).sum(axis=1) - 1, 0)
        return np.maximum(1.0, (squares + PRIOR_WEIGHT) / (freedom + PRIOR_WEIGHT))

    def strongest(self, split: int) -> float:
        """The greatest gain of any event."""
        return float(self.gains(split).max()) if self._keys else 0.0

    def attributions(self, split: int) -> list[ShapeAttribution]:
        """The changes that nothing else explains, strongest first."""
        if not self._keys:
            return []
        doubt = float(np.log(len(self._keys)))
        gains, risen, spread = self.gains(split), self._risen(split), self._dispersion(split)
        deviant = {self._keys[number]: bool(risen[number]) for number in np.flatnonzero(gains > doubt + CERTAIN)}

        def weigh(candidates: Mapping[Key, bool], charged: Mapping[Key, bool]) -> list[ShapeAttribution]:
            found = []
            for key, count, examples in self._recount(split, candidates, deviant, charged):
                gain = float(share_shift(*(np.array(float(number)) for number in count))) / spread[self._index[key]] - doubt
                if gain > 0 and count[1] and count[3]:
                    (service, operation), event = key
                    found.append(ShapeAttribution(service, operation, event, gain, count[:2], count[2:], examples))
            return sorted(
                found,
                key=lambda attribution: (-attribution.gain, attribution.service, attribution.operation, attribution.event),
            )

        attributions = []
        left = weigh(deviant, {}) if deviant else []
        charged: dict[Key, bool] = {}
        while left:
            first = left[0]
            place = (first.service, first.operation)
            attributions += [attribution for attribution in left if (attribution.service, attribution.operation) == place]
            charged |= {key: rose for key, rose in deviant.items() if key[0] == place}
            rest = {key: rose for key, rose in deviant.items() if key not in charged}
            remaining = {((attribution.service, attribution.operation), attribution.event) for attribution in left}
            left = weigh({key: rose for key, rose in rest.items() if key in remaining}, charged)
        return attributions

    def narrowed(self, attribution: ShapeAttribution, split: int) -> ShapeAttribution:
        """The attribution to the one instance in which the event has changed as in no other, if there is one."""
        place, event = (attribution.service, attribution.operation), attribution.event
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for number, _, visits in self._traces:
            late = number >= split
            seen: dict[str, bool] = {}
            for visit, failed in visits:
                if (visit.service, visit.operation) == place and (event.is_failure or not failed):
                    seen[visit.instance] = seen.get(visit.instance, False) or event in visit.events
            for instance, hit in seen.items():
                counts[instance][2 * late] += hit
                counts[instance][2 * late + 1] += 1
        number = self._index[place, event]
        spread = float(self._dispersion(split)[number])
        instance = odd_instance(counts, rose=bool(self._risen(split)[number]), dispersion=spread)
        if not instance:
            return attribution
        hits, trials, hits_after, trials_after = counts[instance]
        return attribution._replace(instance=instance, before=(hits, trials), after=(hits_after, trials_after))

    def _recount(
        self, split: int, candidates: Mapping[Key, bool], deviant: Mapping[Key, bool], charged: Mapping[Key, bool]
    ) -> Iterator[tuple[Key, tuple[int, int, int, int], tuple[bytes, ...]]]:
        """Hits and trials before and after, among visits with no deviant callee and no charged caller."""
        counts = {key: [0, 0, 0, 0] for key in candidates}
        examples: dict[Key, list[bytes]] = defaultdict(list)
        is_deviant, is_charged, wanted = _tester(deviant), _tester(charged), _events_by_place(candidates)
        for number, trace, visits in self._traces:
            late = number >= split
            below = _below(trace.visits, is_deviant)
            above = _above(trace.visits, is_charged)
            free = [visit for visit, under, over in zip(visits, below, above, strict=True) if not under and not over]
            for (place, only_failures), events in _by_place(free).items():
                for event in wanted.get(place, ()):
                    if event.is_failure != only_failures:
                        continue
                    key = (place, event)
                    counts[key][2 * late + 1] += 1
                    counts[key][2 * late] += event in events
                    if late and (event in events) == candidates[key] and len(examples[key]) < EXAMPLES:
                        examples[key].append(trace.trace_id)
        for key, (hits, trials, hits_after, trials_after) in counts.items():
            yield key, (hits, trials, hits_after, trials_after), tuple(examples[key])


def _counted(pairs: list[tuple[int, int]], rows: int, columns: int) -> NDArray[np.float64]:
    """How often each (row, column) occurs, shape (rows, columns)."""
    table = np.zeros((rows, columns))
    if pairs:
        np.add.at(table, tuple(np.array(pairs).T), 1.0)
    return table


def _by_place(visits: Iterable[tuple[Visit, bool]]) -> dict[tuple[ShapeNode, bool], set[Event]]:
    """The failures of all visits of a place (key True), and the other events of those that did not fail (key False)."""
    events: dict[tuple[ShapeNode, bool], set[Event]] = {}
    for visit, failed in visits:
        place = (visit.service, visit.operation)
        events.setdefault((place, True), set()).update(event for event in visit.events if event.is_failure)
        if not failed:
            events.setdefault((place, False), set()).update(visit.events)
    return events


def _failing(visits: Sequence[Visit]) -> list[bool]:
    """For each visit, whether it or one below it failed."""
    failing = [any(event.is_failure for event in visit.events) for visit in visits]
    for number in range(len(visits) - 1, 0, -1):  # callees come after their callers
        if failing[number] and visits[number].parent >= 0:
            failing[visits[number].parent] = True
    return failing


def _events_by_place(keys: Iterable[Key]) -> dict[ShapeNode, list[Event]]:
    events: dict[ShapeNode, list[Event]] = defaultdict(list)
    for place, event in keys:
        events[place].append(event)
    return events


def _tester(changes: Mapping[Key, bool]) -> Callable[[Visit], bool]:
    """Whether a visit has an event that has become more frequent, or lacks one that has become rarer."""
    by_place = _events_by_place(changes)

    def deviates(visit: Visit) -> bool:
        place = (visit.service, visit.operation)
        return any((event in visit.events) == changes[place, event] for event in by_place.get(place, ()))

    return deviates


def _below(visits: Sequence[Visit], deviates: Callable[[Visit], bool]) -> list[bool]:
    """For each visit, whether one that it called, directly or not, deviates."""
    below = [False] * len(visits)
    for number in range(len(visits) - 1, 0, -1):
        parent = visits[number].parent
        if parent >= 0 and (below[number] or deviates(visits[number])):
            below[parent] = True
    return below


def _above(visits: Sequence[Visit], deviates: Callable[[Visit], bool]) -> list[bool]:
    """For each visit, whether one that called it, directly or not, deviates."""
    above = [False] * len(visits)
    for number, visit in enumerate(visits):
        above[number] = visit.parent >= 0 and (above[visit.parent] or deviates(visits[visit.parent]))
    return above
