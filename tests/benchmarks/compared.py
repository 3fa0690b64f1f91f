"""Whether a checkout costs more than the one that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIMIT = 0.15
"""How much more a piece of work may cost."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The costs of a piece of work on both sides, one a run; none where a side does not have it."""

    name: str
    unit: str
    base: Sequence[float]
    head: Sequence[float]

    @property
    def ratio(self) -> float | None:
        """The median's growth; None where there is nothing to compare."""
        return median(self.head) / median(self.base) if self.base and self.head else None

    @property
    def least_ratio(self) -> float | None:
        """That of the cheapest runs, which other work on the machine disturbed least."""
        return min(self.head) / min(self.base) if self.base and self.head else None

    def is_dearer(self, limit: float = LIMIT) -> bool:
        """Whether both have grown by more than the limit: one alone may be the machine's doing."""
        return all(ratio is not None and ratio > 1 + limit for ratio in (self.ratio, self.least_ratio))


def paired(unit: str, base: Mapping[str, Sequence[float]], head: Mapping[str, Sequence[float]]) -> list[Compared]:
    """Work by name, what either side has."""
    return [Compared(name, unit, base.get(name, ()), head.get(name, ())) for name in dict.fromkeys([*head, *base])]


def shares(costs: Mapping[str, Sequence[float]], reference: str) -> dict[str, list[float]]:
    """Costs of each round as multiples of the reference's in that round, which other work slows in the same way."""
    return {
        name: [cost / of_reference for cost, of_reference in zip(of_name, costs[reference], strict=True)]
        for name, of_name in costs.items()
        if name != reference
    }


def table(found: Iterable[Compared], limit: float = LIMIT) -> Table:
    """A line for each piece of work."""
    shown = Table("work", "unit", "base", "head", "ratio", "of the least", "")
    for one in found:
        if one.ratio is None or one.least_ratio is None:
            shown.add_row(one.name, one.unit, "", "", "", "", "only on one side: not compared")
            continue
        base, head = (
            f"{median(side):,.4g}" if median(side) < 1000 else f"{median(side):,.0f}" for side in (one.base, one.head)
        )
        verdict = "DEARER" if one.is_dearer(limit) else ""
        shown.add_row(one.name, one.unit, base, head, f"{one.ratio:.3f}", f"{one.least_ratio:.3f}", verdict)
    return shown
