"""The marks that count, and what they change.

Every answer is a function of the marks and of the time asked about, never of when or in which order the marks came. A mark
counts from SETTLES after it was made: by then it is on the log, so that records read again after a crash meet the same marks.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from components.durations import DAY, SECOND
from processors.feedback.mark import LASTS, Mark, MarkVerdict, Subject
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.json_object import JsonObject

SETTLES = 10 * SECOND
"""From when on a mark counts, after it was made: longer than it takes to every partition."""

STEP = 3.0
"""Nats by which one mark moves the evidence that an anomaly needs: a value 20 times as rare."""

CEILING = 12.0
"""Nats that marks can add at most: with the usual 14 of an anomaly, about once in 200 billion values. An outage of a series
with a known spread is beyond that, so that marks alone make nothing blind."""

HALF_LIFE = 7 * DAY
"""After which half of what marks have moved is left: systems change."""

NUDGE = 0.25
"""What one mark of a ranking changes the logarithm of a weight of evidence by."""

MOST_NUDGED = math.log(2.0)
"""By which it changes at most: marks may double or halve the weight of evidence, never remove it."""

MAX_MARKS = 500
"""Marks of an environment that are kept."""

MAX_ALL = 5000
"""Marks that are kept in all."""

KEPT = LASTS + DAY
"""How long a mark is kept: what it replaced must not count again, and records may be read again a day later."""


class _Key(NamedTuple):
    environment: str
    key: str


class Marks:
    """All marks. Whoever holds the same marks gives the same answers."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str, int], Mark] = {}
        self._by_key: dict[_Key, list[tuple[int, str, Mark]]] = {}
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._marks)

    def check_room(self, mark: Mark) -> None:
        """Return if there is room for a mark of somebody.

        Raises:
            InputError: as many as may be count already.
        """
        self.prune(mark.at)
        held = sum(each.environment == mark.environment for each in self._marks.values())
        if held >= MAX_MARKS or len(self._marks) >= MAX_ALL:
            raise InputError(
                f"environment {mark.environment!r} has {held} marks of the last {KEPT // DAY} days, {MAX_MARKS} are the most; "
                f"in all there are {len(self._marks)}, {MAX_ALL} are the most: tune or disable the detector instead"
            )

    def merge(self, bodies: Iterable[JsonObject]) -> None:
        """Take marks of a snapshot or of others, in any order and any number of times. Past the bounds the oldest goes.

        Raises:
            ValueError: one of them is none; nothing of them counts then.
        """
        for mark in [Mark.model_validate(body) for body in bodies]:
            self._marks.setdefault((mark.subject.value, mark.id, mark.at), mark)
        self._bound()
        self._index()

    def _bound(self) -> None:
        by_environment: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        for key in sorted(self._marks, key=lambda key: (-key[2], key)):
            by_environment[self._marks[key].environment].append(key)
        kept = sorted((key for keys in by_environment.values() for key in keys[:MAX_MARKS]), key=lambda key: (-key[2], key))
        self.evicted += len(self._marks) - len(kept[:MAX_ALL])
        self._marks = {key: self._marks[key] for key in kept[:MAX_ALL]}

    def _index(self) -> None:
        self._by_key = {}
        for mark in self._marks.values():
            for move in mark.moves:
                insort(
                    self._by_key.setdefault(_Key(mark.environment, move.key), []),
                    (mark.at, mark.id, mark),
                    key=lambda each: each[:2],
                )

    def prune(self, now: int) -> None:
        """Drop what was said long ago."""
        gone = [key for key, mark in self._marks.items() if mark.at + KEPT <= now]
        for key in gone:
            del self._marks[key]
        if gone:
            self._index()

    def at(self, now: int, environment: str | None = None) -> list[Mark]:
        """The marks that have not expired, of an environment or of all, the newest first; of a finding its last mark."""
        last: dict[tuple[Subject, str], Mark] = {}
        for mark in sorted(self._marks.values(), key=lambda mark: mark.at):
            if environment is None or mark.environment == environment:
                last[mark.subject, mark.id] = mark
        return sorted((mark for mark in last.values() if now < mark.expires), key=lambda mark: (-mark.at, mark.id))

    def counts(self, now: int) -> Counter[MarkVerdict]:
        """How many marks of each verdict have not expired."""
        return Counter(mark.verdict for mark in self.at(now))

    # ------------------------------------------------------------------ what they change

    def withholds(self, environment: str, key: str, surprise: float, least: float, time: int) -> MarkVerdict | None:
        """Which kind of mark keeps an anomaly from being reported, if one does.

        Args:
            environment: of the anomaly.
            key: `series_key` of it.
            surprise: its surprise, nats.
            least: the surprise from which its detector reports one, nats.
            time: its end, ns.
        """
        marks = self._counting(environment, key, time)
        if not marks:
            return None
        if surprise <= expected_to(marks):
            return MarkVerdict.EXPECTED
        return MarkVerdict.WRONG if surprise < least + raised(marks, time) else None

    def weight(self, environment: str, key: str, time: int) -> float:
        """By what evidence of an `evidence_key` is multiplied in rankings at a time: from one half to two."""
        marks = self._counting(environment, key, time)
        nudged = sum(
            NUDGE * (1 if move.up else -1) * _decay(time - mark.at) for mark in marks for move in mark.moves if move.key == key
        )
        return math.exp(max(-MOST_NUDGED, min(MOST_NUDGED, nudged)))

    def _counting(self, environment: str, key: str, time: int) -> list[Mark]:
        """Of each finding the last mark before that time, where it has not expired; the oldest first."""
        last: dict[str, Mark] = {}
        for at, id_, mark in self._by_key.get(_Key(environment, key), ()):
            if at + SETTLES <= time:
                last.pop(id_, None)  # it is the newest now
                last[id_] = mark
        return [mark for mark in last.values() if time < mark.expires]

    # ------------------------------------------------------------------ what survives

    def snapshot(self) -> list[JsonObject]:
        """Plain data, the oldest first."""
        return [mark.model_dump(mode="json") for mark in sorted(self._marks.values(), key=lambda mark: (mark.at, mark.id))]

    def changes(self, since: int) -> list[JsonObject]:
        """Those that were made at a time or later, as others merge them."""
        return [body for body in self.snapshot() if body["at"] >= since]


def raised(marks: Sequence[Mark], time: int) -> float:
    """Nats that an anomaly needs beyond what its detector asks for, after these marks of its series, the oldest first.

    Each `wrong` adds STEP up to CEILING, each `right` takes one back down to 0, and half of it is gone after HALF_LIFE.
    """
    level, last = 0.0, 0
    for mark in marks:
        if mark.verdict is not MarkVerdict.EXPECTED:
            level = level * _decay(mark.at - last) + (STEP if mark.verdict is MarkVerdict.WRONG else -STEP)
            level, last = min(CEILING, max(0.0, level)), mark.at
    return level * _decay(time - last)


def expected_to(marks: Sequence[Mark]) -> float:
    """The surprise, in nats, up to which an anomaly is expected: STEP above the strongest that was marked so; 0 without any.

    A later `right` on the series ends it.
    """
    ended = max((mark.at for mark in marks if mark.verdict is MarkVerdict.RIGHT), default=0)
    levels = [mark.surprise + STEP for mark in marks if mark.verdict is MarkVerdict.EXPECTED and mark.at > ended]
    return max(levels, default=0.0)


def _decay(nanoseconds: int) -> float:
    return float(0.5 ** (nanoseconds / HALF_LIFE))
