"""How unusual services were in a time: the highest score of their anomalies, and how many there were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.layout import ENVIRONMENT
from stores.store import Aggregation, Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Filter, Reads, Totals

MAX_SERVICES = 20_000


async def anomaly_scores(
    reads: Reads, since: int | None, until: int | None, where: Sequence[Filter] = ()
) -> dict[tuple[str, str], float]:
    """Environment and service to the highest score of a time.

    Raises:
        StoreError: the store does not answer.
    """
    return {(group.key[0], group.key[1]): group.peaks[0] for group in await anomalies_by_service(reads, since, until, where)}


async def anomalies_by_service(
    reads: Reads, since: int | None, until: int | None, where: Sequence[Filter] = ()
) -> list[Totals]:
    """Groups by environment and service, with the highest score as their peak. Raises as above."""
    query = Query(Kind.ANOMALY, where, since, until, limit=MAX_SERVICES)
    return await reads.totals(Aggregation(query, (ENVIRONMENT, "service"), peaks=("score",)))
