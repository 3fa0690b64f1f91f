"""How long calls were neither at their client nor at their server: from the newest hops, for edges do not keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.store import AnyOf, Equals, Query
from telemetry.documents import Kind, latest
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Filter

MAX_HOPS = 500

Ends = tuple[str, str, str, str, str]
"""Environment, kind and name of the caller, kind and name of the callee."""


async def gaps(
    reads: BoundedReads, since: int, until: int, where: Sequence[Filter], service: str
) -> tuple[dict[Ends, tuple[int, int]], int]:
    """The sum of the gaps of a service's newest calls and how many they are, by their ends; and how many hops were read.

    Raises:
        StoreError: the store does not answer.
    """
    either = AnyOf((Equals("callee.name", service), Equals("caller.name", service)))
    found, _ = await reads.as_many(Query(Kind.HOP, [*where, either], since, until, descending=True, limit=MAX_HOPS))
    sums: dict[Ends, tuple[int, int]] = {}
    for hop in latest(found):
        if hop["gap"] is not None:
            caller, callee = hop["caller"], hop["callee"]
            ends = (
                hop.get("environment") or DEFAULT_ENVIRONMENT,
                caller["kind"],
                caller["name"],
                callee["kind"],
                callee["name"],
            )
            gap, calls = sums.get(ends, (0, 0))
            sums[ends] = gap + hop["gap"], calls + 1
    return sums, len(found)
