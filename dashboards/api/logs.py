"""The API of logs: search, histogram, templates, and the live tail."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  FastAPI reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from dashboards.api.routes import Within
from dashboards.api.traces import HOUR, SearchError
from dashboards.read_models.waterfall import service_of
from dashboards.search.asked import Asked
from dashboards.search.logs import SEVERITIES, LogSearch, PageEnd, text_of
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dashboards.read_models.reader import Reader
    from dashboards.search.log_tail import LogTail
    from dashboards.search.logs import FoundTemplate
    from telemetry.documents import Body

_CURSOR = "^([0-9]{1,19}-[^\\s]{1,512})?$"

LogText = Annotated[str, Field(max_length=4_096, description="words of the text, and conditions such as severity>=error")]


class LogsSearched(Within):
    """A search of logs."""

    q: LogText = ""

    def asked(self) -> Asked:
        """The search."""
        return Asked(self.q, self.since, self.until, self.environment)


class LogsAsked(LogsSearched):
    """A page of a search."""

    order: Literal["newest", "oldest"] = "newest"
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str = Field(default="", pattern=_CURSOR, description="of the page before, with all else as it was")


class LogRow(BaseModel):
    """A log record."""

    id: str
    time: int
    severity: str = Field(description="as its sender wrote it, or the name of its number")
    severity_number: int | None
    service: str
    text: str
    trace_id: str | None
    span_id: str | None
    environment: str
    attributes: dict[str, object]
    resource: dict[str, object]


class LogList(BaseModel):
    """A page of records, and how many there are."""

    logs: list[LogRow]
    total: int
    cursor: str | None = Field(description="of the next page; null after the last")


class HistogramAsked(LogsSearched):
    """Which histogram of a search."""

    columns: int = Field(default=60, ge=1, le=200)


class SeveritySeries(BaseModel):
    """Records of a severity by column."""

    severity: str = Field(description="other (trace, debug, none), info, warn or error")
    counts: list[int]


class LogHistogram(BaseModel):
    """Records by time and severity."""

    since: int
    until: int
    step: int = Field(description="ns of a column")
    series: list[SeveritySeries]


class TemplatesAsked(LogsSearched):
    """Which templates of a search."""

    limit: int = Field(default=50, ge=1, le=200)


class Template(BaseModel):
    """Records that the same statement wrote."""

    template: str = Field(description="its words, <*> where they vary")
    count: int
    share: float = Field(description="of the records that were examined")
    severity: str = Field(description="the highest")
    services: list[str]
    first: int
    last: int
    example: LogRow = Field(description="the newest")


class LogTemplateList(BaseModel):
    """Templates of the newest `examined` of `total` records."""

    templates: list[Template]
    examined: int
    total: int
    more: bool


def log_routes(reader: Reader, now: Callable[[], int], tail: LogTail) -> APIRouter:
    """The routes of logs.

    Args:
        reader: reads the store.
        now: nanoseconds since the epoch.
        tail: follows new records.
    """
    search = LogSearch(reader.reads)
    router = APIRouter(responses={400: {"model": SearchError}})

    @router.get("/api/v1/logs", response_model=LogList)
    async def logs(asked: Annotated[LogsAsked, Query()]) -> LogList:
        """Log records, a page at a time, and how many there are."""
        page = await search.page(asked.asked(), asked.limit, _place(asked.cursor), oldest=asked.order == "oldest")
        following = page.following
        cursor = f"{following.time}-{following.id}" if following else None
        return LogList(logs=[row_of(record) for record in page.records], total=page.total, cursor=cursor)

    @router.get("/api/v1/logs/histogram", response_model=LogHistogram)
    async def histogram(asked: Annotated[HistogramAsked, Query()]) -> LogHistogram:
        """Records by time and severity; of the last hour where no time is named."""
        until = now() if asked.until is None else asked.until
        since = max(0, until - HOUR) if asked.since is None else asked.since
        if since >= until:
            raise InputError("since: must be before until")
        origin, step, found = await search.histogram(asked.asked(), since, until, asked.columns)
        series = [SeveritySeries(severity=name, counts=counts) for name, counts in found.items()]
        return LogHistogram(since=origin, until=until, step=step, series=series)

    @router.get("/api/v1/logs/templates", response_model=LogTemplateList)
    async def templates(asked: Annotated[TemplatesAsked, Query()]) -> LogTemplateList:
        """What statements wrote the records, the most frequent first."""
        found = await search.templates(asked.asked())
        shown = [_template(one, found.examined) for one in found.templates[: asked.limit]]
        more = len(found.templates) > asked.limit
        return LogTemplateList(templates=shown, examined=found.examined, total=found.total, more=more)

    @router.get("/api/v1/logs/tail", response_class=StreamingResponse, responses={503: {"model": SearchError}})
    async def follow(asked: Annotated[LogsSearched, Query()]) -> StreamingResponse:
        """New records as server-sent events: `log` has a record, `dropped` how many were too many to send."""
        events = await tail.follow(asked.asked())

        async def lines() -> AsyncIterator[str]:
            async for event in events:
                if event.record is not None:
                    yield f"event: log\nid: {event.record['_id']}\ndata: {row_of(event.record).model_dump_json()}\n\n"
                elif event.dropped:
                    yield f'event: dropped\ndata: {{"count":{event.dropped}}}\n\n'
                else:
                    yield ": no news\n\n"

        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)

    return router


def row_of(record: Body) -> LogRow:
    """A log document as the API gives it."""
    number = record.get("severity_number")
    number = number if isinstance(number, int) else None
    attributes, resource = record.get("attributes"), record.get("resource")
    of_resource = resource.get("attributes") if isinstance(resource, dict) else None
    return LogRow(
        id=record["_id"],
        time=record["@timestamp"],
        severity=str(record.get("severity_text") or _severity(number)),
        severity_number=number,
        service=service_of(record),
        text=text_of(record),
        trace_id=record.get("trace_id"),
        span_id=record.get("span_id"),
        environment=record.get("environment") or DEFAULT_ENVIRONMENT,
        attributes=attributes if isinstance(attributes, dict) else {},
        resource=of_resource if isinstance(of_resource, dict) else {},
    )


def _severity(number: int | None) -> str:
    return SEVERITIES[sum(number >= bound for bound in (9, 13, 17))] if number else ""


def _template(found: FoundTemplate, examined: int) -> Template:
    return Template(
        template=found.text,
        count=found.count,
        share=found.count / examined,
        severity=_severity(found.severity),
        services=sorted(found.services),
        first=found.first,
        last=found.last,
        example=row_of(found.example),
    )


def _place(cursor: str) -> PageEnd | None:
    time, _, id_ = cursor.partition("-")
    return PageEnd(min(int(time), 2**63 - 2), id_) if cursor else None
