"""What a bad network does to packets: delay with jitter, and loss, correlated as `tc netem` has it. Pure.

netem draws each number as a mix of the last one and a new one: with correlation c, `c * last + (1 - c) * new`. The kernel's
own netem is not used: many kernels lack it, and its numbers cannot be repeated by a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Impairment:
    """Times in nanoseconds, shares from 0 to 1. The default is a good network."""

    latency: int = 0
    jitter: int = 0
    latency_correlation: float = 0.0
    loss: float = 0.0
    loss_correlation: float = 0.0


class _Correlated:
    """Numbers from 0 to 1, each like the one before by a share."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self._chance, self._share = chance, share
        self._last = chance.random()

    def draw(self) -> float:
        self._last = self._share * self._last + (1 - self._share) * self._chance.random()
        return self._last


class Impaired:
    """One direction of a link.

    Args:
        impairment: what happens to its packets.
        chance: decides which are lost and how late the others are.
    """

    def __init__(self, impairment: Impairment, chance: random.Random) -> None:
        self._impairment = impairment
        self._lost = _Correlated(chance, impairment.loss_correlation)
        self._late = _Correlated(chance, impairment.latency_correlation)

    def delivery(self, now: int) -> int | None:
        """When a packet that is sent now arrives, or None: it is lost. With jitter, packets may overtake each other."""
        impairment = self._impairment
        if impairment.loss and self._lost.draw() < impairment.loss:
            return None
        if not impairment.jitter:
            return now + impairment.latency
        spread = round((2 * self._late.draw() - 1) * impairment.jitter)
        return now + max(0, impairment.latency + spread)
