"""The store of samples in Elasticsearch. One process at a time writes those of an environment: the one that owns it.

Which buckets have to be rolled up is written down before the samples are, and taken back after their rollups: a crash in
between repeats work and loses none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import orjson
from elasticsearch import ApiError, NotFoundError, TransportError

from stores.elasticsearch.client import connect, refusal
from stores.elasticsearch.samples.documents import (
    columns_of_rollups,
    columns_of_samples,
    raw_operations,
    rollup_operations,
)
from stores.elasticsearch.samples.indices import (
    SERIES_INDEX,
    STATE_INDEX,
    index_of,
    period_of,
    prefix_of,
    raw_index,
    rollup_index,
)
from stores.samples.bounds import SeriesBounds
from stores.samples.levels import ROLLUPS, Level, ends_of
from stores.samples.rolling import merge, roll_up
from stores.samples.store import MAX_ROWS, KnownSeries, SampleCounters, SampleLimits, TooManySamplesError, series_id
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import AsyncElasticsearch

    from stores.elasticsearch.config import ElasticsearchConfig
    from stores.samples.store import Ids, RollupColumns, SampleBatch, SampleColumns
    from telemetry.json_object import JsonObject

PAGE = 10_000
"""Documents of one answer: Elasticsearch's limit."""
CHUNK = 5_000
"""Documents of one bulk request."""
TERMS = 10_000
"""Series that are named in one search."""
SEEN_EVERY = 6 * 3600 * 1_000_000_000
"""A series' newest sample is written down again when it is so much newer, ns."""


class _State:
    """How far the rollups of an environment are."""

    def __init__(self, body: JsonObject) -> None:
        self.newest: int = body.get("newest", 0)
        self.until: dict[str, int] = dict(body.get("until", {}))
        self.pending: dict[str, set[int]] = {level: set(ends) for level, ends in body.get("pending", {}).items()}

    def body(self) -> JsonObject:
        """As it is stored."""
        pending = {level: sorted(ends) for level, ends in self.pending.items() if ends}
        return {"newest": self.newest, "until": self.until, "pending": pending}


class ElasticsearchSampleStore:
    """A `SampleStore` on a cluster. Nothing is asked of it when made."""

    def __init__(
        self, url: str, config: ElasticsearchConfig | None, namespace: str, limits: SampleLimits | None = None
    ) -> None:
        self.limits = limits or SampleLimits()
        self._client: AsyncElasticsearch = connect(url, config).options(request_timeout=60)
        self._prefix = prefix_of(namespace)
        self._known: dict[int, tuple[str, int]] | None = None  # environment, and the newest sample that is written down
        self._made: set[str] = set()
        self._oldest = dict.fromkeys(Level, 0)  # what is not deleted with its index yet, but too old, ns
        self._counters = SampleCounters()
        self._bounds = SeriesBounds(self.limits)
        self.refusals = self._bounds.refusals
        self._writing = asyncio.Lock()
        self._closed = False

    async def write(self, batches: Sequence[SampleBatch]) -> None:
        """Keep what is new, then roll up what ended."""
        async with self._writing:
            try:
                for batch in batches:
                    await self._write(batch)
            except (ApiError, TransportError) as error:
                raise refusal(error) from error

    async def series(self, environment: str | None) -> list[KnownSeries]:
        """All series of an environment, or of all."""
        query: JsonObject = {"match_all": {}} if environment is None else {"term": {"environment": environment}}
        hits = await self._search(f"{self._prefix}-series", query, ["_doc"])
        return [
            KnownSeries(
                int(hit["_id"]),
                hit["_source"]["environment"],
                tuple((name, value) for name, value in orjson.loads(hit["_source"]["labels"])),
            )
            for hit in hits
        ]

    async def samples(self, ids: Ids, since: int, until: int) -> SampleColumns:
        """Samples of a stretch of time, corrected."""
        return columns_of_samples(await self._of_series(Level.RAW, ids, since, until))

    async def rollups(self, ids: Ids, level: Level, since: int, until: int) -> RollupColumns:
        """Buckets that end in a stretch of time."""
        return columns_of_rollups(await self._of_series(level, ids, since, until))

    async def rolled_until(self, environment: str, level: Level) -> int:
        """The end of the last bucket that is rolled up."""
        try:
            return (await self._state(environment)).until.get(level.title, 0)
        except (ApiError, TransportError) as error:
            raise refusal(error) from error

    async def retain(self, now: int) -> int:
        """Delete the indices of which all is too old, and series that have sent nothing for as long as anything is kept."""
        async with self._writing:
            try:
                return await self._retain(now)
            except (ApiError, TransportError) as error:
                raise refusal(error) from error

    def counters(self) -> SampleCounters:
        """What became of samples."""
        return self._counters

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._client.close()

    # ------------------------------------------------------------------ writing

    async def _write(self, batch: SampleBatch) -> None:
        keep = np.isin(batch.ids, await self._admit(batch))
        self._counters.refused += int(np.count_nonzero(~keep))
        recent = batch.times > batch.newest - self.limits.kept[Level.RAW]
        self._counters.too_old += int(np.count_nonzero(keep & ~recent))
        keep &= recent
        state = await self._state(batch.environment)
        state.newest = max(state.newest, batch.newest)
        if keep.any():
            for level in ROLLUPS:
                ends = np.unique(ends_of(batch.times[keep], level)).tolist()
                state.pending.setdefault(level.title, set()).update(ends)
            await self._save(batch.environment, state)
            operations = raw_operations(batch, keep, lambda time: index_of(self._prefix, Level.RAW, time))
            await self._make(Level.RAW, batch.times[keep].tolist())
            created, existing = await self._bulk(operations)
            self._counters.written += created
            self._counters.existing += existing
        for level in ROLLUPS:
            await self._roll_up(batch.environment, level, state)
        await self._save(batch.environment, state)

    async def _admit(self, batch: SampleBatch) -> list[int]:
        known = await self._known_series()
        operations: list[JsonObject] = []
        admitted = []
        for number, labels in batch.series.items():
            seen = known.get(number)
            if seen is None and not self._bounds.admit(batch.environment, labels, batch.newest):
                self._counters.series_refused += 1
                continue
            admitted.append(number)
            if seen is None or batch.newest - seen[1] > SEEN_EVERY:
                known[number] = batch.environment, batch.newest
                body = {"environment": batch.environment, "labels": orjson.dumps(labels).decode(), "latest": batch.newest}
                operations += [{"index": {"_index": f"{self._prefix}-series", "_id": str(number)}}, body]
        if operations:
            await self._make_index(f"{self._prefix}-series", SERIES_INDEX)
            try:
                await self._bulk(operations)
            except BaseException:
                self._known = None  # what is written down is not known
                raise
        return admitted

    async def _known_series(self) -> dict[int, tuple[str, int]]:
        if self._known is None:
            hits = await self._search(f"{self._prefix}-series", {"match_all": {}}, ["_doc"])
            self._known = {int(hit["_id"]): (hit["_source"]["environment"], hit["_source"]["latest"]) for hit in hits}
            self._bounds.clear()
            for hit in hits:
                self._bounds.add(hit["_source"]["environment"], orjson.loads(hit["_source"]["labels"]))
        return self._known

    async def _state(self, environment: str) -> _State:
        try:
            found = await self._client.get(index=f"{self._prefix}-state", id=str(series_id(environment, ())))
        except NotFoundError:
            return _State({})
        return _State(found["_source"])

    async def _save(self, environment: str, state: _State) -> None:
        await self._make_index(f"{self._prefix}-state", STATE_INDEX)
        await self._client.index(index=f"{self._prefix}-state", id=str(series_id(environment, ())), document=state.body())

    async def _make(self, level: Level, times: Sequence[int]) -> None:
        for name, begin, end in {period_of(level, time) for time in times}:
            body = raw_index(begin, end) if level is Level.RAW else rollup_index()
            await self._make_index(f"{self._prefix}-{level.title}-{name}", body)

    async def _make_index(self, name: str, body: JsonObject) -> None:
        if name in self._made:
            return
        try:
            await self._client.indices.create(index=name, settings=body["settings"], mappings=body["mappings"])
        except ApiError as error:
            if error.error != "resource_already_exists_exception":
                raise
        self._made.add(name)

    async def _bulk(self, operations: Sequence[JsonObject]) -> tuple[int, int]:
        """How many documents were created, and how many were there already."""
        created = existing = 0
        for start in range(0, len(operations), 2 * CHUNK):
            answer = await self._client.bulk(operations=operations[start : start + 2 * CHUNK])
            for item in answer["items"]:
                (result,) = item.values()
                if result["status"] == 409:
                    existing += 1
                elif result["status"] >= 300:
                    why = f"{result['error']['type']}: {result['error']['reason']}"
                    raise StoreError(f"Elasticsearch did not take a sample: {why}")
                else:
                    created += result["result"] == "created"
        return created, existing

    async def _roll_up(self, environment: str, level: Level, state: _State) -> None:
        before, width = state.until.get(level.title, 0), level.width
        until = max(before, (state.newest - level.grace) // width * width)
        ended = sorted(end for end in state.pending.get(level.title, ()) if end <= until)
        source = Level.MINUTE if level is Level.HOUR else Level.RAW
        for first, last in _runs(ended, width):
            query = _within(source, [{"term": {"environment": environment}}], first - width, last)
            hits = await self._search(f"{self._prefix}-{source.title}-*", query, _order(source))
            made = roll_up(columns_of_samples(hits), level) if source is Level.RAW else merge(columns_of_rollups(hits), level)
            await self._make(level, np.unique(made.ends).tolist())
            await self._bulk(rollup_operations(made, environment, lambda end: index_of(self._prefix, level, end)))
            self._counters.rolled_up += len(made.ids)
        state.pending[level.title] = state.pending.get(level.title, set()) - set(ended)
        state.until[level.title] = until

    async def _retain(self, now: int) -> int:
        gone = 0
        for level, kept in self.limits.kept.items():
            names = await self._client.indices.get(index=f"{self._prefix}-{level.title}-*", allow_no_indices=True)
            for name in names:
                if name < index_of(self._prefix, level, now - kept):
                    gone += (await self._client.count(index=name))["count"]
                    await self._client.indices.delete(index=name)
                    self._made.discard(name)
            self._oldest[level] = now - kept
        query = {"range": {"latest": {"lte": now - max(self.limits.kept.values())}}}
        silent = await self._search(f"{self._prefix}-series", query, ["_doc"])
        await self._bulk([{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in silent])
        self._known = None
        return gone

    # ------------------------------------------------------------------ reading

    async def _of_series(self, level: Level, ids: Ids, since: int, until: int) -> list[JsonObject]:
        found: list[JsonObject] = []
        since = max(since, self._oldest[level])
        wanted = [str(number) for number in np.unique(ids).tolist()]
        for start in range(0, len(wanted), TERMS):
            query = _within(level, [{"terms": {"series": wanted[start : start + TERMS]}}], since, until)
            try:
                counted = await self._client.count(
                    index=f"{self._prefix}-{level.title}-*", query=query, allow_no_indices=True, ignore_unavailable=True
                )
            except (ApiError, TransportError) as error:
                raise refusal(error) from error
            if len(found) + counted["count"] > MAX_ROWS:
                raise TooManySamplesError(len(found) + counted["count"])
            found += await self._search(f"{self._prefix}-{level.title}-*", query, _order(level))
        return found

    async def _search(self, index: str, query: JsonObject, order: Sequence[str]) -> list[JsonObject]:
        """All hits, page by page of one view."""
        try:
            await self._client.indices.refresh(index=index, allow_no_indices=True, ignore_unavailable=True)
            if not await self._client.indices.exists(index=index, allow_no_indices=False):
                return []
            opened = await self._client.open_point_in_time(index=index, keep_alive="2m")
            found: list[JsonObject] = []
            try:
                after: list[str | int | float | bool | None] | None = None
                while True:
                    answer = await self._client.search(
                        pit={"id": opened["id"], "keep_alive": "2m"},
                        query=query,
                        sort=[*order, "_shard_doc"] if order != ["_doc"] else ["_shard_doc"],
                        size=PAGE,
                        search_after=after,
                        track_total_hits=False,
                    )
                    hits = answer["hits"]["hits"]
                    found += hits
                    if len(hits) < PAGE:
                        return found
                    after = hits[-1]["sort"]
            finally:
                await self._client.close_point_in_time(id=opened["id"])
        except (ApiError, TransportError) as error:
            raise refusal(error) from error


def _order(level: Level) -> list[str]:
    return ["series", "@timestamp"] if level is Level.RAW else ["series", "ending"]


def _text(time: int) -> str:
    """Nanoseconds as a date that Elasticsearch reads to the nanosecond."""
    return str(np.datetime64(max(0, min(time, 2**63 - 1)), "ns")) + "Z"


def _within(level: Level, more: list[JsonObject], since: int, until: int) -> JsonObject:
    if level is Level.RAW:
        time: JsonObject = {"range": {"@timestamp": {"gt": _text(since), "lte": _text(until)}}}
    else:
        time = {"range": {"ending": {"gt": since, "lte": until}}}
    return {"bool": {"filter": [*more, time]}}


def _runs(ends: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Stretches of ends without large gaps: what lies in between is read and rolled up again, which changes nothing."""
    runs: list[tuple[int, int]] = []
    for end in ends:
        if runs and end - runs[-1][1] <= 3 * width:
            runs[-1] = runs[-1][0], end
        else:
            runs.append((end, end))
    return runs
