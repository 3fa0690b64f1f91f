"""What the assemble stage counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class AssembleCounts:
    """What the stage did."""

    spans: int = 0
    spans_stored: int = 0  # for the first time, as far as this process knows
    traces: int = 0
    closed_early: int = 0  # traces closed early, by a limit
    crowded: int = 0  # of them, to make room in memory
    merged: int = 0  # traces that the store already had
    corrections: int = 0  # edge documents that correct others
    logs: int = 0
    undrawn: int = 0  # spans of traces that were full, stored only
    invalid: int = 0  # spans that could not be decoded, though a collector found them valid
    dropped: Counter[str] = field(default_factory=Counter)  # too large for a record, by `large_` and the kind of batch
