"""Values that are more frequent in one group of observations than in the rest, with the chance that this is chance.

One-sided test of Fisher's ("The Design of Experiments", 1935): of all ways to draw as many observations, the share that holds
at least as many with the value. Where many values are tested, each p is multiplied by how many (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = TypeVar("Key")

_NEGLIGIBLE = 1e-17


@dataclass(frozen=True, slots=True)
class Overrepresented(Generic[Key]):
    """A value, how many of each group have it, how much more frequent it is, and its corrected p.

    `lift` is its share in the group over its share in the rest; None where the rest has it nowhere.
    """

    key: Key
    picked: int
    rest: int
    lift: float | None
    p: float


def upper_tail(picked: int, picked_all: int, rest: int, rest_all: int) -> float:
    """The chance to draw at least `picked` with the value among `picked_all`, of all with and without it."""
    having, everything = picked + rest, picked_all + rest_all
    most = min(having, picked_all)

    def log_of(number: int, of: int) -> float:
        return lgamma(of + 1) - lgamma(number + 1) - lgamma(of - number + 1)

    all_ways = log_of(picked_all, everything)
    term = exp(log_of(picked, having) + log_of(picked_all - picked, everything - having) - all_ways)
    total, seen = 0.0, picked
    while seen <= most:
        total += term
        if term <= total * _NEGLIGIBLE:  # only beyond the mode, where the terms fall, or where all vanish
            break
        numerator = (having - seen) * (picked_all - seen)
        term *= numerator / ((seen + 1) * (everything - having - picked_all + seen + 1)) if numerator else 0.0
        seen += 1
    return min(1.0, total)


def overrepresented(
    counts: Mapping[Key, tuple[int, int]], picked_all: int, rest_all: int, most_p: float = 0.01
) -> list[Overrepresented[Key]]:
    """Those of the values that are more frequent in the group than chance has it, the surest first.

    Args:
        counts: how many of the group and of the rest have each value.
        picked_all: how many are in the group.
        rest_all: how many are in the rest.
        most_p: the largest corrected p of what is returned.
    """
    found = []
    for key, (picked, rest) in counts.items():
        if not picked or not picked_all or not rest_all or picked * rest_all <= rest * picked_all:
            continue
        p = min(1.0, upper_tail(picked, picked_all, rest, rest_all) * len(counts))
        if p <= most_p:
            lift = (picked / picked_all) / (rest / rest_all) if rest else None
            found.append(Overrepresented(key, picked, rest, lift, p))
    return sorted(found, key=lambda one: (one.p, -one.picked, str(one.key)))
