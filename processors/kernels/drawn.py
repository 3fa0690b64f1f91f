"""Hops and critical paths that the native core drew: objects of Python when somebody looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from telemetry.call_graph import Hop

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.kernels.counted import CountedTrace

Item_co = TypeVar("Item_co", covariant=True)


class Later(Sequence[Item_co]):
    """A tuple that is made when somebody looks at it."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Sequence[Item_co]]) -> None:
        self._make = make
        self._made: Sequence[Item_co] | None = None

    @property
    def _items(self) -> Sequence[Item_co]:
        if self._made is None:
            self._made = self._make()
        return self._made

    @overload
    def __getitem__(self, place: int) -> Item_co: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item_co]: ...
    def __getitem__(self, place: int | slice) -> Item_co | Sequence[Item_co]:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        """As the tuple of them."""
        return self._items == (other._items if isinstance(other, Later) else other)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


class DrawnHops(Later[Hop]):
    """The hops of a trace.

    Attributes:
        counted: the same, for counters.
    """

    __slots__ = ("counted",)

    counted: CountedTrace
