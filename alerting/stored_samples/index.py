"""The series of one environment, or of all, found by their labels: those in the store and those in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.promql.matchers import MatchType
from alerting.promql.vectors import NAME, nameless
from components.durations import MINUTE
from stores.samples.store import series_id
from telemetry.environment import EVERY_ENVIRONMENT, environment_of
from telemetry.metrics import Series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels
    from alerting.rules.samples import StoredSeries
    from stores.samples.store import SampleStore

MAX_AGE = 10 * MINUTE
"""How long what the store knows is believed, ns. New series are seen in memory before they are in the store."""

_MAX_SELECTIONS = 1024


class SeriesIndex:
    """Names of series by their number. As many as the store's bounds allow.

    Args:
        store: knows those of before.
        environment: whose they are; EVERY_ENVIRONMENT: those of all, and what rules over all have recorded.
    """

    def __init__(self, store: SampleStore, environment: str) -> None:
        self._store, self.environment = store, environment
        self.labels: dict[int, Labels] = {}
        self.bare: dict[int, Labels] = {}
        self._by_name: dict[str, list[int]] = {}
        self._selections: dict[tuple[Matcher, ...], list[int]] = {}
        self._numbers: dict[Labels, int] = {}  # over all environments, whose numbers do not follow from the labels alone
        self.environments: frozenset[str] = frozenset()
        """Those that have series in the store."""
        self._read_at: int | None = None

    async def refresh(self, now: int) -> None:
        """Read again which series there are, where that was long ago.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._read_at is not None and abs(now - self._read_at) < MAX_AGE:
            return
        known = await self._store.series(None if self._is_global else self.environment)
        self._read_at = now
        self.labels, self.bare, self._by_name, self._numbers = {}, {}, {}, {}
        self._selections.clear()
        self.environments = frozenset(one.environment for one in known)
        for one in sorted(known, key=lambda each: each.environment == EVERY_ENVIRONMENT):  # ours win
            self._add(one.id, one.labels)

    @property
    def _is_global(self) -> bool:
        return self.environment == EVERY_ENVIRONMENT

    def number(self, one: StoredSeries) -> int:
        """Of a series in memory."""
        if not self._is_global:
            if not one.id:
                one.id = series_id(self.environment, one.labels)
            return one.id
        known = self._numbers.get(one.labels)
        return known if known is not None else series_id(_environment_of(one.labels), one.labels)

    def add(self, series: Iterable[StoredSeries]) -> None:
        """Series in memory, which have a number from now on."""
        for one in series:
            number = self.number(one)
            if number not in self.labels:
                self._add(number, one.labels)
                self._selections.clear()

    def _add(self, number: int, labels: Labels) -> None:
        self.labels[number], self.bare[number] = labels, nameless(labels)
        self._by_name.setdefault(dict(labels).get(NAME, ""), []).append(number)
        if self._is_global:
            self._numbers[labels] = number

    def match(self, matchers: tuple[Matcher, ...]) -> list[int]:
        """The series that pass all matchers, ascending."""
        found = self._selections.get(matchers)
        if found is None:
            if len(self._selections) >= _MAX_SELECTIONS:
                self._selections.clear()
            found = self._selections[matchers] = sorted(self._find(matchers))
        return found

    def _find(self, matchers: tuple[Matcher, ...]) -> Iterable[int]:
        named = next((each.value for each in matchers if each.name == NAME and each.type is MatchType.EQUAL), None)
        candidates: Iterable[int] = self.labels if not named else self._by_name.get(named, ())
        for number in candidates:
            labels = dict(self.labels[number])
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers):
                yield number


def _environment_of(labels: Labels) -> str:
    return environment_of(Series(dict(labels).get(NAME, ""), labels))
