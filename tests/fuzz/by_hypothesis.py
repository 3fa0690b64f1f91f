"""The engine that makes inputs by structure."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.fuzz import engine
from tests.fuzz.inputs import inputs
from tests.fuzz.regressions import kept
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets import all_targets

if TYPE_CHECKING:
    from tests.fuzz.engine import Limit, Watched

EXAMPLES = 50
"""Inputs of one round; the limit is looked at between rounds."""


def fuzz(target: Target, limit: Limit, first_seed: int, watched: Watched) -> Finding | None:
    """Rounds of inputs until the limit is reached or something is found, which Hypothesis makes small."""
    since = time.monotonic()
    strategy = inputs(target)
    try:
        for data in (*target.seeds, *kept(target.name)):
            watched(data)
        rounds = 0
        while not limit.reached(since, rounds * EXAMPLES):

            @seed(first_seed * 1_000_003 + rounds)
            @settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate, Phase.shrink),
                report_multiple_bugs=False,
            )
            @given(strategy)
            def one_round(data: bytes) -> None:
                watched(data)

            one_round()
            rounds += 1
    except Finding as finding:
        return finding
    return None


if __name__ == "__main__":
    engine.run(all_targets, fuzz, 1.5, "hypothesis", sys.argv[1:])
