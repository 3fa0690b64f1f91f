"""`GET /api/v1/red`: rate, errors and durations by step of time, of all calls, of a service, an operation or an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from components.durations import SECOND
from dashboards.api.asked import Asked
from dashboards.api.calls.services import IS_SERVICE
from dashboards.api.calls.sums import CallsAnswer, CallSums, Stats, quantiles_of
from dashboards.read_models.edge_sums import SUMS, latency_of
from processors.series import histogram
from stores.store import Aggregation, Equals, Query
from telemetry.documents import Kind
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboards.api.asked import Covered
    from stores.store import Filter, Reads, Totals

STEPS, MAX_STEPS = 120, 1500
"""Steps of an answer: about so many by itself, and at most."""

FINEST = 5 * SECOND
_NICE = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Steps in seconds that are chosen from."""

ROWS_AN_OCTAVE = 1
"""log2 of the rows of a heatmap for a doubling of the duration."""


class AskedRed(Asked):
    """Which calls, in which steps."""

    service: str = Field(default="", max_length=1024, description="calls that it received")
    operation: str = Field(default="", max_length=1024, description="of these, those to one operation")
    caller: str = Field(default="", max_length=1024, description="calls that it made")
    callee: str = Field(default="", max_length=1024, description="calls to it, also of a database or a queue")
    step: int | None = Field(
        default=None, ge=SECOND, le=366 * 86400 * SECOND, description="ns, whole seconds; default: about 120"
    )
    heatmap: bool = False

    def chosen_step(self, now: int) -> int:
        """The step in nanoseconds.

        Raises:
            InputError: there would be too many, or it is not of whole seconds.
        """
        covered = self.covered(now)
        length = covered.until - covered.since
        if self.step is None:
            return (
                next(
                    (step for step in _NICE if length <= STEPS * step * SECOND), -(-length // (STEPS * 86400 * SECOND)) * 86400
                )
                * SECOND
            )
        if self.step % SECOND:
            raise InputError("step: must be whole seconds, in nanoseconds")
        if length > MAX_STEPS * self.step:
            raise InputError(f"step: there would be more than {MAX_STEPS} steps; name a longer one, or less time")
        return self.step

    @property
    def calls(self) -> tuple[Filter, ...]:
        """The conditions of the edges."""
        named = (
            ("callee.name", self.service),
            ("operation", self.operation),
            ("caller.name", self.caller),
            ("callee.name", self.callee),
        )
        found = [Equals(field, value) for field, value in named if value]
        services_only = () if self.caller or self.callee else (IS_SERVICE,)
        return (*self.where, *services_only, *found)


class Heatmap(BaseModel):
    """Calls by step of time and by duration."""

    bounds: list[int] = Field(description="of the rows, ascending, in nanoseconds: one more than there are rows")
    counts: list[list[int]] = Field(description="for each step, the calls of each row")
    most: int = Field(description="the greatest count")


class Red(CallsAnswer):
    """The answer. In a list null is a gap: a step of which nothing is stored."""

    step: int = Field(description="nanoseconds")
    times: list[int] = Field(description="the start of each step")
    newest: int | None = Field(
        description="start of the newest window that is stored in this time: what follows is not there yet"
    )
    calls: list[int | None]
    failures: list[int | None]
    rate: list[float | None] = Field(description="calls a second")
    error_rate: list[float | None]
    p50: list[int | None]
    p95: list[int | None]
    p99: list[int | None]
    total: Stats
    heatmap: Heatmap | None


async def red(reads: Reads, asked: AskedRed, covered: Covered, step: int) -> Red:
    """The series of a time that begins and ends with a step.

    Raises:
        StoreError: the store does not answer.
    """
    since, until = covered.since, covered.until
    query = Query(Kind.EDGE, asked.calls, since, until, limit=MAX_STEPS + 1)
    found = {group.start: group for group in await reads.totals(Aggregation(query, step=step, sums=SUMS, bits="latency_bits"))}
    times = list(range(since, until, step))
    groups = [found.get(time) for time in times]
    whole = CallSums()
    for group in found.values():
        whole.add(group)
    spread = [quantiles_of(group.buckets) if group else (None, None, None) for group in groups]
    return Red(
        since=since,
        until=until,
        step=step,
        times=times,
        newest=max((group.newest for group in found.values()), default=None),
        calls=[group.sums[0] if group else None for group in groups],
        failures=[group.sums[1] if group else None for group in groups],
        rate=[group.sums[0] * SECOND / step if group else None for group in groups],
        error_rate=[group.sums[1] / group.sums[0] if group and group.sums[0] else None for group in groups],
        p50=[p50 for p50, _, _ in spread],
        p95=[p95 for _, p95, _ in spread],
        p99=[p99 for _, _, p99 in spread],
        total=whole.stats(covered.seconds),
        heatmap=_heatmap(groups) if asked.heatmap else None,
    )


def _heatmap(groups: list[Totals | None]) -> Heatmap:
    rows = [_rows(group.buckets) if group else {} for group in groups]
    used = {row for counts in rows for row in counts}
    if not used:
        return Heatmap(bounds=[], counts=[[] for _ in groups], most=0)
    low, high = min(used), max(used)
    counts = [[of.get(row, 0) for row in range(low, high + 1)] for of in rows]
    bounds = [round(histogram.bound(row, ROWS_AN_OCTAVE) * SECOND) for row in range(low, high + 2)]
    return Heatmap(bounds=bounds, counts=counts, most=max(map(max, counts)))


def _rows(buckets: Mapping[int, int]) -> dict[int, int]:
    """Counts by row. What took no time is in the row of the shortest that a clock can tell."""
    latency = latency_of(buckets)
    rows: dict[int, int] = {}
    down = latency.scale - ROWS_AN_OCTAVE
    for place, count in enumerate(latency.positive):
        index = latency.positive_offset + place
        row = index >> down if down >= 0 else index << -down
        rows[row] = rows.get(row, 0) + count
    if latency.zero_count:
        rows[_NO_TIME] = rows.get(_NO_TIME, 0) + latency.zero_count
    return {row: count for row, count in rows.items() if count > 0}


_NO_TIME = histogram.index_of(1e-9) >> (histogram.MAX_SCALE - ROWS_AN_OCTAVE)
