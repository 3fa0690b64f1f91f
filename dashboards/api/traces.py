"""The API of trace search: `/api/v1/traces` and what is counted beside the list."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  FastAPI reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dashboards.api.routes import Json, Within
from dashboards.api.sentences import SentenceParts, parts_for
from dashboards.search.asked import Asked
from dashboards.search.common import TEST, common
from dashboards.search.filters import paths_of
from dashboards.search.tokens import SearchTextError
from dashboards.search.traces import TraceSearch
from dashboards.search.vocabulary import SPANS
from telemetry.errors import InputError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from dashboards.read_models.reader import Reader
    from dashboards.search.common import Sides
    from dashboards.search.traces import FoundTrace
    from stores.aggregates import Bucket

HOUR = 3_600_000_000_000

DEFAULT_FACETS = ("service", "operation", "status", "kind", "http.response.status_code")

Text = Annotated[str, Field(max_length=4_096, description="conditions on one span, such as service=payment and duration>500ms")]


class SearchError(BaseModel):
    """What is wrong with a request."""

    error: str
    at: int | None = Field(default=None, description="the character of q where the mistake begins, from 0")
    length: int | None = Field(default=None, description="of how many characters it is")
    did_you_mean: str | None = Field(default=None, description="what may have been meant in their place")


class Searched(Within):
    """A search of a time and an environment."""

    q: Text = ""

    def asked(self) -> Asked:
        """The search."""
        return Asked(self.q, self.since, self.until, self.environment)


class ListAsked(Searched):
    """A page of a search."""

    order: Literal["newest", "slowest"] = Field(
        default="newest", description="by the newest, or the slowest, of the spans that match"
    )
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str = Field(default="", pattern="^([1-9][0-9]{0,4})?$", description="of the page before, with all else as it was")


class Root(BaseModel):
    """The root span of a trace."""

    service: str
    operation: str


class Matched(BaseModel):
    """What of a trace matches."""

    spans: int
    slowest: int = Field(description="duration of the slowest of them, ns")


class AnomalyOfTrace(BaseModel):
    """Of the anomalies of kind `trace` that name a trace the one of the highest score."""

    score: float
    why: str
    why_parts: SentenceParts | None


class TraceRow(BaseModel):
    """A trace in the list."""

    trace_id: str
    start: int
    duration: int
    root: Root | None = Field(description="null: the root span is missing")
    services: list[str]
    span_count: int
    errors: int
    environment: str
    completeness: float
    open: bool = Field(description="it has no document yet: the numbers are of the spans stored so far")
    matched: Matched
    anomaly: AnomalyOfTrace | None = Field(default=None, description="null: nothing unusual was seen in the trace as a whole")


class TraceList(BaseModel):
    """A page of traces, and how many there are."""

    traces: list[TraceRow]
    total: int
    total_exact: bool = Field(description="false: the store estimates it")
    cursor: str | None = Field(description="of the next page; null after the last, or after 10,000 traces")


class FacetsAsked(Searched):
    """Which facets of a search."""

    field: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default=[], max_length=20, description="names as in q"
    )
    limit: int = Field(default=20, ge=1, le=100)


class FacetValue(BaseModel):
    """A value, and the spans that match and have it."""

    value: str
    spans: int


class Facet(BaseModel):
    """The most frequent values of a field."""

    field: str
    values: list[FacetValue]
    more: bool = Field(description="there are more values")


class Facets(BaseModel):
    """Facets of the spans that match."""

    spans: int
    facets: list[Facet]


class HeatmapAsked(Searched):
    """Which heatmap of a search."""

    columns: int = Field(default=60, ge=1, le=200)
    rows: int = Field(default=24, ge=1, le=60)


class HeatmapAnswer(BaseModel):
    """Spans by time and duration."""

    since: int
    until: int
    step: int = Field(description="ns of a column")
    durations: list[int] = Field(description="bounds of the rows, ns, ascending: one more than rows")
    counts: list[list[int]] = Field(description="spans by column, then row")
    spans: int


class CommonAsked(Searched):
    """Which spans are compared with the rest."""

    slower_than: int | None = Field(default=None, ge=0, lt=2**62, description="ns; without it, the slowest twentieth")
    failed: bool = Field(default=False, description="those that failed, instead of the slow ones")


class CommonValue(BaseModel):
    """A value that the picked have more often than the rest."""

    field: str = Field(description="as a search names it; of a call: its service")
    value: str = Field(description="of a call: its operation")
    picked: int
    rest: int
    lift: float | None = Field(description="its share in the picked over its share in the rest; null: the rest has none")
    p: float = Field(description="corrected; see test")


class CommonSides(BaseModel):
    """What stands out, of how many tested, and how many are on each side."""

    picked: int
    rest: int
    tested: int
    found: list[CommonValue]


class CommonAnswer(BaseModel):
    """What slow or failed spans have in common."""

    threshold: int | None = Field(description="ns; null for those that failed")
    test: str
    values: CommonSides = Field(description="counted in spans")
    calls: CommonSides = Field(description="operations in the traces of the newest, counted in traces")


def trace_routes(reader: Reader, now: Callable[[], int]) -> APIRouter:
    """The routes of trace search.

    Args:
        reader: reads the store.
        now: nanoseconds since the epoch.
    """
    search = TraceSearch(reader.reads)
    router = APIRouter(responses={400: {"model": SearchError}})

    @router.get("/api/v1/traces", response_model=TraceList)
    async def traces(asked: Annotated[ListAsked, Query()]) -> TraceList:
        """Traces of which a span matches, a page at a time, and how many there are."""
        page = await search.page(asked.asked(), asked.limit, int(asked.cursor or 0), slowest=asked.order == "slowest")
        return TraceList(
            traces=[_row(trace) for trace in page.traces],
            total=page.total.count,
            total_exact=page.total.exact,
            cursor=None if page.following is None else str(page.following),
        )

    @router.get("/api/v1/traces/facets", response_model=Facets)
    async def facets(asked: Annotated[FacetsAsked, Query()]) -> Facets:
        """The most frequent values of fields among the spans that match."""
        names = list(dict.fromkeys(asked.field or DEFAULT_FACETS))
        paths = {name: paths_of(SPANS.field(name)) for name in names}
        spans, found = await search.facets(asked.asked(), paths, asked.limit + 1)
        return Facets(spans=spans, facets=[facet_of(name, found[name], asked.limit) for name in names])

    @router.get("/api/v1/traces/heatmap", response_model=HeatmapAnswer)
    async def heatmap(asked: Annotated[HeatmapAsked, Query()]) -> HeatmapAnswer:
        """Spans that match by time and duration; of the last hour where no time is named."""
        until = now() if asked.until is None else asked.until
        since = max(0, until - HOUR) if asked.since is None else asked.since
        if since >= until:
            raise InputError("since: must be before until")
        found = await search.heatmap(asked.asked(), since, until, asked.columns, asked.rows)
        return HeatmapAnswer(
            since=found.since,
            until=found.until,
            step=found.step,
            durations=found.bounds,
            counts=found.counts,
            spans=sum(map(sum, found.counts)),
        )

    @router.get("/api/v1/traces/common", response_model=CommonAnswer)
    async def in_common(asked: Annotated[CommonAsked, Query()]) -> CommonAnswer:
        """What the slow or the failed of the spans that match have in common."""
        found = await common(reader.reads, asked.asked(), asked.slower_than, failed=asked.failed)
        return CommonAnswer(threshold=found.threshold, test=TEST, values=_sides(found.values), calls=_sides(found.calls))

    return router


def answer_search_errors(app: FastAPI) -> None:
    """Make an app answer mistakes of searches with their places."""

    async def answer(_: Request, error: Exception) -> Response:
        body = SearchError(error=str(error))
        if isinstance(error, SearchTextError):
            body = SearchError(error=str(error), at=error.at, length=error.length, did_you_mean=error.did_you_mean or None)
        return Json(body.model_dump(), 400)

    app.add_exception_handler(SearchTextError, answer)


def facet_of(name: str, found: list[Bucket], limit: int) -> Facet:
    """A facet, given one value more than its limit where there is one."""
    values = [FacetValue(value=bucket.value, spans=bucket.documents) for bucket in found[:limit]]
    return Facet(field=name, values=values, more=len(found) > limit)


def _sides(sides: Sides) -> CommonSides:
    values = [
        CommonValue(field=one.key[0], value=one.key[1], picked=one.picked, rest=one.rest, lift=one.lift, p=one.p)
        for one in sides.found
    ]
    return CommonSides(picked=sides.picked, rest=sides.rest, tested=sides.tested, found=values)


def _row(trace: FoundTrace) -> TraceRow:
    root = Root(service=trace.root[0], operation=trace.root[1]) if trace.root else None
    return TraceRow(
        trace_id=trace.trace_id,
        start=trace.start,
        duration=trace.duration,
        root=root,
        services=list(trace.services),
        span_count=trace.span_count,
        errors=trace.errors,
        environment=trace.environment,
        completeness=trace.completeness,
        open=trace.open,
        matched=Matched(spans=trace.matched.documents, slowest=trace.matched.greatest),
        anomaly=AnomalyOfTrace(**odd._asdict(), why_parts=parts_for(odd.why)) if (odd := trace.anomaly) else None,
    )
