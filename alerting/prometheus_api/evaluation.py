"""Queries of Prometheus' HTTP API: evaluated at a time or over a range, with bounds on time and memory."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from alerting.gotemplates.values import go_float
from alerting.promql.query import ResultType
from alerting.promql.vectors import EvaluationError
from components.durations import SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from alerting.prometheus_api.parameters import TimeRange
    from alerting.promql.query import Query
    from alerting.promql.vectors import Labels, Past, Source
    from telemetry.json_object import JsonObject

MAX_SAMPLES = 2_000_000
"""Samples of one answer: some 200 MiB while it is made."""

MAX_AT_ONCE = 8
"""Queries that are evaluated beside each other; others wait for their turn."""

SLICE = 0.02
"""Seconds after which a query lets other work have its turn."""

MAX_PAUSE = 1.0
"""Seconds that the evaluation at one time may take. Nothing else has its turn meanwhile, and subqueries of subqueries take
for ever."""


class QueryTimeoutError(EvaluationError):
    """A query that took longer than it may."""


class Evaluator:
    """Evaluates queries, in slices of time so that rules and records go on meanwhile."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def instant(self, query: Query, source: Source, at: int, timeout: float, past: Past | None = None) -> JsonObject:
        """The answer at a time, ns, as Prometheus writes it.

        Raises:
            EvaluationError: these samples have no answer, or too large a one.
            QueryTimeoutError: it took longer than `timeout` seconds, or than MAX_PAUSE.
        """
        async with self._turn(timeout):
            match query.type:
                case ResultType.STRING:
                    return _result(query.type, [_stamp(at), query.text])
                case ResultType.MATRIX:
                    windows = query.windows(source, at, until(timeout), past)
                    _check(sum(len(window.times) for window in windows))
                    series = [_series(w.labels, list(zip(w.times, w.values, strict=True))) for w in windows]
                    return _result(query.type, series)
            vector = query.vector(source, at, at, at, until(timeout), past)
            if query.type is ResultType.SCALAR:
                return _result(query.type, [_stamp(at), plain(vector[0][1])])
            return _result(query.type, [{"metric": dict(labels), "value": _point(at, value)} for labels, value in vector])

    async def over_range(
        self, query: Query, source: Source, over: TimeRange, timeout: float, past: Past | None = None
    ) -> JsonObject:
        """The answer at each step of a range.

        Raises:
            EvaluationError: these samples have no answer, or too large a one.
            QueryTimeoutError: it took longer than `timeout` seconds, or one of its times than MAX_PAUSE.
        """
        async with self._turn(timeout):
            found: dict[Labels, list[tuple[int, float]]] = {}
            samples, begun = 0, time.monotonic()
            slice_ends = begun + SLICE
            for at in over.times:
                for labels, value in query.vector(source, at, over.start, over.end, until(timeout), past):
                    found.setdefault(labels, []).append((at, value))
                    samples += 1
                _check(samples)
                now = time.monotonic()
                if now - begun > timeout:
                    raise QueryTimeoutError("query timed out in expression evaluation")
                if now >= slice_ends:
                    await asyncio.sleep(0)
                    slice_ends = time.monotonic() + SLICE
            return _result(ResultType.MATRIX, [_series(labels, points) for labels, points in sorted(found.items())])

    @asynccontextmanager
    async def _turn(self, timeout: float) -> AsyncIterator[None]:
        """A turn of those that may evaluate at once, waited for no longer than the query may take."""
        try:
            await asyncio.wait_for(self._turns.acquire(), timeout)
        except TimeoutError:
            raise QueryTimeoutError("query timed out in query queue") from None
        try:
            yield
        finally:
            self._turns.release()


def until(timeout: float) -> Callable[[], None]:
    """What raises QueryTimeoutError once `timeout` seconds are over, or MAX_PAUSE: see `Instant.go_on`."""
    allowed = min(timeout, MAX_PAUSE)
    ends = time.monotonic() + allowed

    def go_on() -> None:
        if time.monotonic() > ends:
            raise QueryTimeoutError(f"query timed out in expression evaluation: at one time it takes longer than {allowed:g} s")

    return go_on


def _check(samples: int) -> None:
    if samples > MAX_SAMPLES:
        raise EvaluationError("query processing would load too many samples into memory in query execution")


def _result(kind: ResultType, result: object) -> JsonObject:
    return {"resultType": kind.value, "result": result}


def _series(labels: Labels, points: list[tuple[int, float]]) -> JsonObject:
    return {"metric": dict(labels), "values": [_point(at, value) for at, value in points]}


def _point(at: int, value: float) -> list[object]:
    small = 1e-6 <= abs(value) < 1e-4  # with an exponent in Go's %v, without one in Prometheus' JSON
    return [_stamp(at), plain(value) if small else go_float(value)]


def plain(value: float) -> str:
    """A number as Prometheus writes it in answers: without an exponent."""
    return format(Decimal(repr(value)), "f").removesuffix(".0") if math.isfinite(value) else go_float(value)


def _stamp(at: int) -> float:
    return at // (SECOND // 1000) / 1000
