"""Which 64-bit keys are held: exact, in memory, 8 bytes each.

Sorted runs, each more than twice as long as the next, merged as an LSM tree merges its levels (O'Neil et al., 1996): adding
costs O(log n) a key over time, asking one binary search a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Keys: TypeAlias = "NDArray[np.uint64]"


class KeySet:
    """A set of keys that only grows."""

    def __init__(self, keys: Keys) -> None:
        self._runs: list[Keys] = [np.sort(keys)] if len(keys) else []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, keys: Keys) -> None:
        """Add keys that are not held yet."""
        if not len(keys):
            return
        run = np.sort(keys)
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate((self._runs.pop(), run)), kind="stable")  # both sorted: a merge
        self._runs.append(run)

    def holds_any(self, keys: Keys) -> bool:
        """Whether one of these keys is held."""
        return any(bool(np.any(run[np.minimum(np.searchsorted(run, keys), len(run) - 1)] == keys)) for run in self._runs)
