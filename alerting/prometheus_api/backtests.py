"""Backtests of rules over HTTP: when an alert would have fired, by the samples that are stored.

POST /api/v1/backtest   {"environment", "group", "file", "rule", "since", "until"}; times in ns

It is the same as `spanloom rules backtest`, of one rule that is loaded. One runs at a time, in slices so that rules and records
go on meanwhile, and ends when whoever asked has gone.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.alertmanager.api_models import read_json
from alerting.prometheus_api.remote_read import MILLISECOND, by_millisecond, reach_of
from alerting.promql.expression import LOOKBACK
from alerting.promql.vectors import EvaluationError
from alerting.rules.api import error_answer
from alerting.rules.backtest import backtest_steps
from alerting.rules.backtest_samples import backtest_points
from alerting.rules.history import notified_after
from alerting.rules.samples import Limits
from components.durations import HOUR, format_duration
from telemetry.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels, VectorColumn
    from alerting.rules.backtest import Backtest
    from alerting.rules.engine import AlertEngine
    from alerting.rules.files import RuleGroup
    from alerting.stored_samples.history import StoredHistory
    from telemetry.metrics import Point

PATH = "/api/v1/backtest"
MAX_RANGE = 31 * 24 * HOUR
MAX_EVALUATIONS = 100_000
"""Times of the range at which a rule is evaluated."""
MAX_POINTS = 300_000
"""Samples of one backtest: some 100 MB while it runs."""
MAX_FIRINGS = 1_000
"""Of an answer; it says how many there are."""
TIMEOUT = 60.0
"""Seconds that one may take, its turn included."""
SLICE = 0.02
"""Seconds after which it lets other work have its turn."""


@dataclass(slots=True)
class BacktestCounts:
    """What became of backtests, since the start."""

    asked: int = 0
    refused: int = 0  # asked wrongly, or for too much
    ended_early: int = 0  # took too long, or nobody waited any more


class Question(BaseModel):
    """Which rule, and over which time, ns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: str = Field(max_length=300)
    group: str = Field(max_length=1_000)
    file: str = Field(max_length=4_096)
    rule: str = Field(max_length=1_000)
    since: int = Field(ge=0, lt=2**63)
    until: int = Field(ge=0, lt=2**63)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.until <= self.since:
            raise ValueError("until is not after since")
        if self.until - self.since > MAX_RANGE:
            raise ValueError(f"the range is longer than {format_duration(MAX_RANGE)}")
        return self


@dataclass(frozen=True, slots=True)
class _Cut:
    """A series between two times."""

    labels: Labels
    times: list[int]
    values: list[float]


class Backtests:
    """Answers over the engines of the environments that are here.

    Args:
        engines: have the rules and the newer samples; by the name of the environment.
        histories: the older samples of each, where they are stored.
        now: the clock, ns.
        lateness: how long after its time a window's point reaches the rules, ns.
        counts: of what became of them.
    """

    def __init__(
        self,
        engines: Callable[[], Mapping[str, AlertEngine]],
        histories: Callable[[], Mapping[str, StoredHistory]],
        now: Callable[[], int],
        lateness: int,
        counts: BacktestCounts,
    ) -> None:
        self._engines, self._histories, self._now, self._lateness = engines, histories, now, lateness
        self.counts = counts
        self._turn = asyncio.Semaphore(1)

    def routes(self) -> list[Route]:
        """Its route."""
        return [Route(PATH, self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        self.counts.asked += 1
        try:
            question = await _question(request)
            return await self._unless_gone(request, question)
        except TimeoutError:
            self.counts.ended_early += 1
            return error_answer(503, "timeout", f"the backtest took longer than {TIMEOUT:g} s: choose less time")
        except (InputError, EvaluationError) as error:
            self.counts.refused += 1
            return error_answer(422 if isinstance(error, EvaluationError) else 400, "bad_data", str(error))
        except StoreError as error:
            return error_answer(503, "unavailable", str(error))

    async def _unless_gone(self, request: Request, question: Question) -> Response:
        """The answer, while somebody waits for it."""
        work, gone = asyncio.create_task(self._run(question)), asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.counts.ended_early += 1
                return Response(status_code=499)
            return JSONResponse({"status": "success", "data": work.result()})
        finally:
            for task in (work, gone):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):  # whose result was read above, or is of no use
                    await task

    async def _run(self, question: Question) -> dict[str, object]:
        async with asyncio.timeout(TIMEOUT), self._turn:
            engine, group = self._rule(question)
            points, notes = await self._points(engine, question, group)
            lookback = max((rule.expr.lookback + group.query_offset for rule in group.rules), default=0)
            limits = Limits(
                series=MAX_POINTS, series_per_sender=MAX_POINTS, text=32 << 20, samples=MAX_POINTS,
                samples_per_series=MAX_POINTS, retention=lookback + HOUR,
            )  # fmt: skip
            found = await _in_slices(group, points, limits, self._lateness, question.since)
        firings = [asdict(firing) for firing in found.firings if firing.alert == question.rule]
        return asdict(found) | {"firings": firings[:MAX_FIRINGS], "fired": len(firings), "notes": notes}

    def _rule(self, question: Question) -> tuple[AlertEngine, RuleGroup]:
        """The rule in its group, with what the group records, which it may read."""
        engine = self._engines().get(question.environment)
        if engine is None:
            raise InputError(f"environment {question.environment[:100]!r} is not here")
        for group in engine.groups:
            rules = tuple(rule for rule in group.rules if rule.kind == "record" or rule.name == question.rule)
            if (group.file, group.name) == (question.file, question.group) and any(rule.kind == "alert" for rule in rules):
                evaluations = (question.until - question.since) // group.interval * len(rules)
                if evaluations > MAX_EVALUATIONS:
                    raise InputError(f"{evaluations:,} evaluations, more than {MAX_EVALUATIONS:,}: choose less time")
                return engine, replace(group, rules=rules)
        raise InputError(
            f"no alerting rule {question.rule[:100]!r} in group {question.group[:100]!r} of {question.file[:200]!r}"
        )

    async def _points(self, engine: AlertEngine, question: Question, group: RuleGroup) -> tuple[list[Point], list[str]]:
        history = self._histories().get(question.environment)

        async def read(matchers: tuple[Matcher, ...], start: int, end: int) -> tuple[Sequence[_Cut], Sequence[str]]:
            start, end = start // MILLISECOND * MILLISECOND, end // MILLISECOND * MILLISECOND + MILLISECOND - 1
            reach = reach_of(matchers, end - start + 1)
            past = await history.for_query((reach,), end, end, LOOKBACK, self._now()) if history is not None else None
            stored = past.columns(reach) if past is not None else None
            columns = stored.columns if stored is not None else engine.samples.select(matchers)
            cut = [_cut(column, start, end) for column in columns]
            await asyncio.sleep(0)  # others have their turn
            return [one for one in cut if one.times], past.notes() if past is not None else []

        return await backtest_points(read, [group], question.since, question.until, MAX_POINTS, EvaluationError)


async def _question(request: Request) -> Question:
    try:
        return Question.model_validate(await read_json(request))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()]
        raise InputError("; ".join(wrong)[:2_000]) from None


async def _gone(request: Request) -> None:
    """Return when whoever asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _in_slices(group: RuleGroup, points: list[Point], limits: Limits, lateness: int, since: int) -> Backtest:
    """The backtest, which lets other work have its turn."""
    steps = backtest_steps([group], points, limits, notified_after(lateness), since)
    slice_ends = time.monotonic() + SLICE
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Backtest = end.value
            return found
        if time.monotonic() >= slice_ends:
            await asyncio.sleep(0)
            slice_ends = time.monotonic() + SLICE


def _cut(column: VectorColumn, start: int, end: int) -> _Cut:
    """As remote read has it: the last sample of each millisecond."""
    found = list(by_millisecond(column, bisect_left(column.times, start), bisect_right(column.times, end)))
    return _Cut(column.labels, [time * MILLISECOND for time, _ in found], [value for _, value in found])
