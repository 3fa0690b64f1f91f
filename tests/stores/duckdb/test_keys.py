"""The keys that a store holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stores.duckdb.keys import KeySet

KEYS = st.integers(0, 2**64 - 1)


@given(first=st.sets(KEYS), batches=st.lists(st.sets(KEYS)), asked=st.sets(KEYS))
def test_it_holds_what_was_added_and_nothing_else(first: set[int], batches: list[set[int]], asked: set[int]) -> None:
    keys, added = KeySet(np.array(list(first), np.uint64)), set(first)
    for batch in batches:
        keys.add(np.array(list(batch - added), np.uint64))
        added |= batch
    assert len(keys) == len(added)
    assert keys.holds_any(np.array(list(asked), np.uint64)) == bool(added & asked)
    for key in added | asked:
        assert keys.holds_any(np.array([key], np.uint64)) == (key in added)


def test_many_batches_stay_in_few_runs() -> None:
    keys = KeySet(np.array([], np.uint64))
    for batch in range(1000):
        keys.add(np.arange(batch * 10, batch * 10 + 10, dtype=np.uint64))
    assert len(keys) == 10_000
    assert len(keys._runs) <= 11
