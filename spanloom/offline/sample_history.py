"""Stored samples, as the rules read them, for a backtest: by remote read of the running pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.rules.backtest_samples import backtest_points
from spanloom.api_client import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.prometheus_api.remote_read_client import ReadSeries
    from alerting.promql.matchers import Matcher
    from alerting.rules.files import RuleGroup
    from spanloom.api_client import ApiClient
    from telemetry.metrics import Point

MAX_POINTS = 10_000_000
"""Samples of a backtest: some 2 GB."""


async def sample_points(
    pipeline: ApiClient, groups: Iterable[RuleGroup], since: int, until: int, environment: str = ""
) -> tuple[list[Point], list[str]]:
    """The samples that rules evaluated from `since` to `until` (ns) read, and what users are to know of them.

    What these rules record themselves comes of their evaluation, and is not read.

    Raises:
        ApiError: the pipeline did not answer.
        InputError: they are too many.
    """

    async def read(matchers: tuple[Matcher, ...], start: int, end: int) -> tuple[list[ReadSeries], list[str]]:
        return await pipeline.remote_read(matchers, start, end, environment)

    return await backtest_points(read, groups, since, until, MAX_POINTS, RefusedError)
