"""Which record of a partition is the next one, and how far the partition can be committed.

A record is handed over if everything fetched before it was. Offsets alone do not say so: compaction, transactions and
retention leave holes in them. What says so is the fetch: what a client fetches from a known position on comes in order and
without a record missing, so a record follows the one that was fetched before it, whatever their offsets.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Arrival(Enum):
    """What to do with a record."""

    NEXT = "hand it over"
    DUPLICATE = "it was handed over before"
    EARLY = "records before it were lost on the way: read them again"


@dataclass(slots=True)
class Turn:
    """One partition of an assignment.

    Attributes:
        next: the offset from which on nothing was handed over; what lies before it was, or is no record.
        position: where the next fetch begins; None where that is not known, as another task moved it meanwhile.
        moved: how often it was moved, to tell a fetch that was in flight then.
    """

    next: int
    position: int | None = None
    moved: int = 0
    _after: dict[int, int] = field(default_factory=dict)  # of what was fetched last: the end of what lies before each record
    _unfinished: deque[int] = field(default_factory=deque)  # handed over, in order
    _acknowledged: set[int] = field(default_factory=set)
    _last: int = -1  # handed over

    def move(self, offset: int) -> None:
        """The partition is read from this offset on."""
        self.next = self.position = offset
        self.moved += 1
        self._after.clear()

    def fetched(self, offsets: Sequence[int], moved: int) -> None:
        """What a fetch gave, and `moved` as it was when the fetch began."""
        self._after.clear()
        if moved != self.moved:
            self.position = None  # whether it began before or after is not known
            return
        end = self.position
        for offset in offsets:
            if end is not None:
                self._after[offset] = end
            end = offset + 1
        self.position = end

    def arrives(self, offset: int) -> Arrival:
        """What to do with a record; it is handed over if it is the next."""
        if offset < self.next:
            return Arrival.DUPLICATE
        end = self._after.get(offset)
        if offset > self.next and (end is None or end > self.next):
            return Arrival.EARLY
        self.next = offset + 1
        if offset > self._last:  # not of those that a seek brings again
            self._last = offset
            self._unfinished.append(offset)
        return Arrival.NEXT

    def skip_to(self, offset: int) -> None:
        """There is no record from `next` to before this offset: a fetch from there gave none and ended here."""
        self.next = self.position = max(self.next, offset)

    def acknowledge(self, offset: int) -> None:
        """The work of a record that was handed over is done."""
        if self._unfinished and self._unfinished[0] <= offset <= self._last:
            self._acknowledged.add(offset)
        while self._unfinished and self._unfinished[0] in self._acknowledged:
            self._acknowledged.discard(self._unfinished.popleft())

    @property
    def handed_over(self) -> bool:
        """Whether anything was."""
        return self._last >= 0

    @property
    def unfinished(self) -> int:
        """Records handed over and not acknowledged, those behind them included."""
        return len(self._unfinished)

    @property
    def committable(self) -> int:
        """The offset that can be committed: all records before it are acknowledged."""
        return self._unfinished[0] if self._unfinished else self.next
