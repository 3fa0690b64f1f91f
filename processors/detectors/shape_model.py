"""How odd the shape of a trace is: calls that are missing, new, repeated or out of order, by what its like did before."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from processors.detectors.streaming import score_of
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processors.call_graph.visits import Visit
    from telemetry.json_object import JsonObject

ShapeNode = tuple[str, str]
"""Service and operation of a visit."""


class ShapeRoot(NamedTuple):
    """Where traces begin: the first visit, and its environment, in which all is learned that they call."""

    service: str
    operation: str
    environment: str = DEFAULT_ENVIRONMENT

    @classmethod
    def of(cls, visits: Sequence[Visit]) -> ShapeRoot:
        """That of a trace."""
        return cls(visits[0].service, visits[0].operation, visits[0].environment)


FEW = 10
"""Visits of a place that must be known before a further one is judged."""

MEMORY = 1000
"""Visits of a place after which all its counts are halved, so that what lasts becomes how things are."""

_FAINT = 0.5
"""A count below this is evicted: what was seen once, after two halvings."""

_MAX_CALLEES = 200
_MAX_PAIRS = 1000  # of callees in sequence
"""Callees known of one place: more are no shape but names with ids in them."""

_SNAPSHOT_VERSION = 1


class Oddity(NamedTuple):
    """One deviation: `kind` is "missing", "new", "repeated" or "reordered"; `surprise` in nats.

    `root` is where its trace began, `place` who called so, `callee` what it is about. `like` it were so many visits of the
    place, and `unlike` it so many, each with half a visit added (Jeffreys' prior).
    """

    kind: str
    surprise: float
    why: str
    root: ShapeRoot
    place: ShapeNode
    callee: ShapeNode
    like: float
    unlike: float


@dataclass(frozen=True, slots=True)
class ShapeScore:
    """`score` 0..1 is that of the strongest oddity. Strongest first."""

    score: float
    oddities: tuple[Oddity, ...]


@dataclass(slots=True)
class _ShapeState:
    """What the visits of one place called."""

    visits: float = 0.0
    with_callee: dict[ShapeNode, float] = field(default_factory=dict)  # visits that called it at least once
    most: dict[ShapeNode, int] = field(default_factory=dict)  # greatest number of calls by one visit
    ordered: dict[tuple[ShapeNode, ShapeNode], float] = field(
        default_factory=dict
    )  # visits that called one before the other first

    def learn(self, called: Sequence[ShapeNode]) -> None:
        self.visits += 1
        for callee, count in Counter(called).items():
            if callee in self.with_callee or len(self.with_callee) < _MAX_CALLEES:
                self.with_callee[callee] = self.with_callee.get(callee, 0.0) + 1
                self.most[callee] = max(self.most.get(callee, 0), count)
        for pair in pairwise(callee for callee in dict.fromkeys(called) if callee in self.with_callee):
            if pair in self.ordered or len(self.ordered) < _MAX_PAIRS:
                self.ordered[pair] = self.ordered.get(pair, 0.0) + 1
        if self.visits > MEMORY:
            self._fade()

    def _fade(self) -> None:
        self.visits /= 2
        self.with_callee = {callee: count / 2 for callee, count in self.with_callee.items() if count >= 2 * _FAINT}
        self.ordered = {pair: count / 2 for pair, count in self.ordered.items() if count >= 2 * _FAINT}
        self.most = {callee: self.most[callee] for callee in self.with_callee}


class TraceShapes:
    """The usual calls of each place, learned within each root operation: a page and a checkout differ in what they call.

    Args:
        max_places: bound over all root operations; the one not seen longest is evicted, and `evicted` counts.
    """

    def __init__(self, max_places: int = 5000) -> None:
        self._max = max_places
        self._states: OrderedDict[tuple[ShapeRoot, ShapeNode], _ShapeState] = OrderedDict()  # root and place
        self.evicted = 0

    def update(self, visits: Sequence[Visit]) -> ShapeScore:
        """Score a trace and learn it."""
        scored = self.score_one(visits)
        self.learn_one(visits)
        return scored

    def score_one(self, visits: Sequence[Visit]) -> ShapeScore:
        """How odd a trace is. Changes nothing."""
        oddities: list[Oddity] = []
        for root, place, called in _calls(visits):
            known = self._states.get((root, place))
            if known is not None and known.visits >= FEW:
                oddities += _oddities(root, place, called, known)
        oddities.sort(key=lambda oddity: (-oddity.surprise, oddity.why))
        surprise = oddities[0].surprise if oddities else 0.0
        return ShapeScore(score_of(surprise), tuple(oddities))

    def learn_one(self, visits: Sequence[Visit]) -> None:
        """Learn a trace."""
        for root, place, called in _calls(visits):
            known = self._states.setdefault((root, place), _ShapeState())
            self._states.move_to_end((root, place))
            known.learn(called)
        while len(self._states) > self._max:
            self._states.popitem(last=False)
            self.evicted += 1

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. A root names its environment behind what 0.2.0 reads of it."""
        return {
            "version": _SNAPSHOT_VERSION,
            "places": [
                [
                    list(root if root.environment != DEFAULT_ENVIRONMENT else root[:2]),
                    list(place),
                    known.visits,
                    [[*callee, count, known.most[callee]] for callee, count in known.with_callee.items()],
                    [[*one, *other, count] for (one, other), count in known.ordered.items()],
                ]
                for (root, place), known in self._states.items()
            ],
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(
                f"trace shapes: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}"
            )
        self._states.clear()
        for root, place, visits, callees, ordered in snapshot["places"]:
            known = self._states[ShapeRoot(*root), (place[0], place[1])] = _ShapeState(visits)
            for service, operation, count, most in callees:
                known.with_callee[service, operation] = count
                known.most[service, operation] = most
            for one, its, other, theirs, count in ordered:
                known.ordered[(one, its), (other, theirs)] = count


def _calls(visits: Sequence[Visit]) -> Iterator[tuple[ShapeRoot, ShapeNode, list[ShapeNode]]]:
    """Each visit: the place at the root of its trace, its own place, and the places that it called, in order of time."""
    callees: list[list[tuple[int, ShapeNode]]] = [[] for _ in visits]
    for visit in visits:
        if visit.parent >= 0:
            callees[visit.parent].append((visit.start, (visit.service, visit.operation)))
    root = ShapeRoot.of(visits)
    for number, visit in enumerate(visits):
        yield root, (visit.service, visit.operation), [place for _, place in sorted(callees[number])]


def _oddities(root: ShapeRoot, place: ShapeNode, called: Sequence[ShapeNode], known: _ShapeState) -> Iterator[Oddity]:
    where, counts, total = " ".join(place), Counter(called), round(known.visits)
    for callee, visits in known.with_callee.items():
        if callee not in counts:
            share = (visits + 0.5) / (known.visits + 1.0)
            why = Wording.CALL_MISSING(place=where, callee=" ".join(callee), visits=round(visits), total=total)
            yield Oddity("missing", -math.log1p(-share), why, root, place, callee, known.visits - visits + 0.5, visits + 0.5)
    for callee, count in counts.items():
        most = known.most.get(callee, 0)
        if not most:
            why = Wording.CALL_NEW(place=where, callee=" ".join(callee), total=total)
            yield Oddity("new", math.log(known.visits + 2.0), why, root, place, callee, 0.5, known.visits + 0.5)
        elif count > most:
            seen = known.with_callee[callee]
            words = {"place": where, "callee": " ".join(callee)}
            why = Wording.CALL_REPEATED(**words, times=count, most=most, visits=round(seen))
            surprise = math.log(seen + 2.0) * (1.0 + math.log(count / most))
            yield Oddity("repeated", surprise, why, root, place, callee, 0.5, seen + 0.5)
    first = list(dict.fromkeys(called))
    for one, other in pairwise(first):
        usual = known.ordered.get((other, one), 0.0)
        if usual and (one, other) not in known.ordered:
            words = {"place": where, "callee": " ".join(one), "other": " ".join(other)}
            why = Wording.CALL_REORDERED(**words, visits=round(usual))
            yield Oddity("reordered", math.log(usual + 2.0), why, root, place, one, 0.5, usual + 0.5)
