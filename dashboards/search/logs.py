"""Log records by text and fields: pages of them, their histogram, their templates."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from dashboards.read_models.waterfall import service_of
from dashboards.search.asked import query_of
from processors.detectors.log_templates import LogTemplates
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from dashboards.search.asked import Asked
    from stores.store import Query
    from telemetry.documents import Body

MAX_TIES = 5_000
"""Records of the very same nanosecond that can be paged through."""

MAX_MINED = 10_000
"""Records whose templates are mined for one answer, the newest."""

BOUNDS = (9, 13, 17)
"""Severity numbers from which a record is of the next severity of SEVERITIES."""

SEVERITIES = ("other", "info", "warn", "error")

_MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class PageEnd:
    """Where a page of records ended: the time of its last record, and its id."""

    time: int
    id: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some records, how many there are, and where the next page begins; None after the last."""

    records: list[Body]
    total: int
    following: PageEnd | None


@dataclass(slots=True)
class FoundTemplate:
    """Records of one template. `severity` is the highest number of theirs."""

    text: str = ""
    count: int = 0
    severity: int = 0
    services: set[str] = field(default_factory=set)
    first: int = 0
    last: int = 0
    example: Body = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundTemplates:
    """Templates, the most frequent first, of so many of the records that there are."""

    templates: list[FoundTemplate]
    examined: int
    total: int


class LogSearch:
    """Searches logs. Each method raises as `query_of` and `BoundedReads.find` do.

    Args:
        reads: what is asked.
    """

    def __init__(self, reads: BoundedReads) -> None:
        self._reads = reads

    async def page(self, asked: Asked, limit: int, after: PageEnd | None = None, *, oldest: bool = False) -> LogPage:
        """A page of records, the newest or the oldest first; those of one nanosecond by id."""
        query = replace(await query_of(self._reads, asked, Kind.LOG), descending=not oldest)
        total = await self._reads.count(query)
        rows: list[Body] = []
        rest: Query | None = replace(query, limit=limit + 1)
        if after is not None:
            rows = [body for body in await self._at(query, after.time) if body["_id"] > after.id]
            rest = _beyond(query, after.time)
        if rest is not None and len(rows) <= limit:
            rows += await self._reads.find(replace(rest, limit=limit + 1 - len(rows)))
        if len(rows) <= limit:
            return LogPage(_by_id(rows), total, None)
        end = rows[limit - 1]["@timestamp"]
        if after is None or end != after.time:
            rows = [*_by_id([body for body in rows if _before(body, end, query)]), *await self._at(query, end)]
        page = rows[:limit]
        return LogPage(page, total, PageEnd(page[-1]["@timestamp"], page[-1]["_id"]))

    async def histogram(self, asked: Asked, since: int, until: int, columns: int) -> tuple[int, int, dict[str, list[int]]]:
        """Records by time and severity: where the columns begin, how wide each is, and the counts by severity."""
        query = await query_of(self._reads, replace(asked, since=since, until=until), Kind.LOG)
        origin = since // _MILLISECOND * _MILLISECOND
        step = max(1, -(-(until - origin) // columns // _MILLISECOND)) * _MILLISECOND
        found = await self._reads.aggregates.grid(query, origin, step, "severity_number", BOUNDS)
        places = range(-(-(until - origin) // step))
        return origin, step, {name: [found.get((column, row), 0) for column in places] for row, name in enumerate(SEVERITIES)}

    async def templates(self, asked: Asked) -> FoundTemplates:
        """The templates of the newest records, mined for this answer."""
        query = replace(await query_of(self._reads, asked, Kind.LOG), descending=True, limit=MAX_MINED)
        records, _ = await self._reads.as_many(query)
        return FoundTemplates(await asyncio.to_thread(_mined, records), len(records), await self._reads.count(query))

    async def _at(self, query: Query, time: int) -> list[Body]:
        """All records of a nanosecond, by id."""
        return _by_id(await self._reads.find(replace(query, since=time, until=time + 1, limit=MAX_TIES)))


def text_of(record: Body) -> str:
    """The text of a record: where its body is structured, its JSON."""
    body = record.get("body")
    if not isinstance(body, dict):
        return str(record.get("event_name", ""))
    text = body.get("text")
    if text is not None:
        return text if isinstance(text, str) else orjson.dumps(text).decode()
    return orjson.dumps(body.get("structured")).decode()


def _by_id(rows: Sequence[Body]) -> list[Body]:
    """Rows in the order that they have by time, those of one time by id."""
    by_time: dict[int, list[Body]] = defaultdict(list)
    for body in rows:
        by_time[body["@timestamp"]].append(body)
    return [body for same in by_time.values() for body in sorted(same, key=lambda one: str(one["_id"]))]


def _before(body: Body, end: int, query: Query) -> bool:
    return bool(body["@timestamp"] > end if query.descending else body["@timestamp"] < end)


def _beyond(query: Query, time: int) -> Query | None:
    """What lies beyond a time, in the order of the query."""
    narrowed = replace(query, until=time) if query.descending else replace(query, since=time + 1)
    since, until = narrowed.since, narrowed.until
    return None if since is not None and until is not None and since >= until else narrowed


def _mined(records: Sequence[Body]) -> list[FoundTemplate]:
    miner = LogTemplates()
    found: dict[str, FoundTemplate] = defaultdict(FoundTemplate)
    for record in records:
        service, time = service_of(record), record["@timestamp"]
        template = found[miner.add(service, text_of(record), record.get("environment") or DEFAULT_ENVIRONMENT)]
        template.count += 1
        template.severity = max(template.severity, record.get("severity_number") or 0)
        template.services.add(service)
        template.first = min(template.first or time, time)
        if time >= template.last:
            template.last, template.example = time, record
    for key, template in found.items():
        template.text = miner.text(key)
    order = Counter({key: template.count for key, template in found.items()})
    return [found[key] for key, _ in order.most_common()]
