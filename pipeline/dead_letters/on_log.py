"""The topic of dead letters on the embedded log, and over HTTP while another process has that log."""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING

import orjson
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from components.http.request_body import read_body
from durable_log.partition import TopicSettings
from pipeline.dead_letters.letters import GROUP, dead_letter, gone, replay_dead_letters
from pipeline.dead_letters.skip import Found, is_changelog, no_record, skip
from pipeline.exchange.topics import Topic
from pipeline.record import TP
from pipeline.runtime.app import DEAD_LETTER_SECONDS
from pipeline.runtime.skips import LogSkips, Skips
from telemetry.errors import InputError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from durable_log.log import DurableLog
    from pipeline.dead_letters.letters import DeadLetter
    from stores.store import Store

PATH = "/api/v1/dead-letters"

_TOPIC = Topic.DEAD_LETTERS.value


class LogDeadLetters:
    """A `DeadLetterTopic` in the process that has the log."""

    def __init__(self, durable: DurableLog) -> None:
        self._log = durable

    async def read(self, *, replayed: bool) -> AsyncIterator[DeadLetter]:
        """As `DeadLetterTopic.read`."""
        ends = self._log.end_offsets(_TOPIC)
        partitions = [self._partition(place, end, replayed=replayed) for place, end in ends.items()]
        for letter in heapq.merge(*partitions, key=lambda letter: letter.time):
            yield letter

    def _partition(self, place: int, end: int, *, replayed: bool) -> Iterator[DeadLetter]:
        done = 0 if replayed else self._log.committed(GROUP, _TOPIC, place) or 0
        while done < end and (records := self._log.read(_TOPIC, place, done)):
            for record in records:
                if done <= record.offset < end:
                    yield dead_letter(place, record)
            done = records[-1].offset + 1

    async def put_back(self, letter: DeadLetter) -> None:
        """As `DeadLetterTopic.put_back`."""
        partition = letter.partition or 0
        if letter.topic not in self._log.topics() or partition >= (self._log.partitions(letter.topic) or 0):
            raise gone(letter)
        await self._log.wait_for_capacity()
        await self._log.append(letter.topic, partition, letter.key, letter.value, letter.headers)

    async def mark_replayed(self, letter: DeadLetter) -> None:
        """As `DeadLetterTopic.mark_replayed`."""
        await self._log.commit(GROUP, {(_TOPIC, letter.place): letter.number + 1})


MAX_BODY = 10_000
"""Bytes of a request to replay or to skip."""


class LogPlace:
    """A `Place` in the process that has the log."""

    def __init__(self, durable: DurableLog) -> None:
        self._log = durable
        self.skips = LogSkips(durable)

    async def find(self, tp: TP, offset: int) -> Found:
        """As `Place.find`."""
        records = self._log.read(tp.topic, tp.partition, offset)
        if not records or records[0].offset != offset:
            start, end = self._log.start_offset(*tp), self._log.end_offset(*tp)
            raise no_record(tp, offset, start, end)
        record = records[0]
        headers = tuple((name, value or b"") for name, value in record.headers)
        return Found(tp, offset, record.timestamp, record.key, record.value, headers)

    async def last_of(self, found: Found) -> int:
        """As `Place.last_of`."""
        last, offset = found.offset, found.offset
        while records := self._log.read(found.tp.topic, found.tp.partition, offset):
            last = max([last, *(record.offset for record in records if record.key == found.key)])
            offset = records[-1].offset + 1
        return last

    async def delete(self, tp: TP, key: bytes) -> None:
        """As `Place.delete`."""
        await self._log.wait_for_capacity()
        await self._log.append(tp.topic, tp.partition, key, None)

    async def note(self, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
        """As `Place.note`."""
        if self._log.partitions(_TOPIC) is None:
            self._log.create_topic(_TOPIC, TopicSettings(1, retention_ms=DEAD_LETTER_SECONDS * 1000))
        await self._log.wait_for_capacity()
        await self._log.append(_TOPIC, 0, key, value, headers)


def routes(dead: LogDeadLetters, store: Store, place: LogPlace, skips: Skips) -> list[Route]:
    """`GET`: a JSON object a line for each dead letter. `POST .../replay`: sends them, `{"again": true}` all of them.

    `POST .../skip`: skips a record, `{"look": true}` only shows it.
    """

    async def listed(_: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            async for letter in dead.read(replayed=True):
                yield orjson.dumps(letter.describe(), option=orjson.OPT_APPEND_NEWLINE)

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def replay(request: Request) -> Response:
        # A page of another origin cannot send this type unasked.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": 'send JSON: {"again": false}'}, 400)
        try:
            again = bool(orjson.loads(await read_body(request, MAX_BODY)).get("again"))
        except (InputError, ValueError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        try:
            return JSONResponse(await replay_dead_letters(dead, store, again=again))
        except SpanloomError as error:
            return JSONResponse({"error": str(error)}, 503)

    return [
        Route(PATH, listed, methods=["GET"]),
        Route(f"{PATH}/replay", replay, methods=["POST"]),
        Route(f"{PATH}/skip", partial(_skip, place, skips), methods=["POST"]),
    ]


async def _skip(place: LogPlace, skips: Skips, request: Request) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "send JSON"}, 400)
    try:
        asked = orjson.loads(await read_body(request, MAX_BODY))
        topic, partition, offset = str(asked["topic"]), int(asked["partition"]), int(asked["offset"])
        dry_run = bool(asked.get("look"))
        found = await skip(place, topic, partition, offset, dry_run=dry_run)
    except (InputError, ValueError, KeyError, TypeError, AttributeError) as error:
        return JSONResponse({"error": f"send topic, partition and offset: {error!r}"}, 400)
    except SpanloomError as error:
        return JSONResponse({"error": str(error)}, 409)
    if not dry_run and not is_changelog(topic):
        skips.learn([(TP(topic, partition), offset)])
    return JSONResponse(found)
