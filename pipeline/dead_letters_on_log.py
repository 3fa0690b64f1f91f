"""The topic of dead letters on the embedded log, and over HTTP while another process has that log."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import orjson
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from alerting.request_body import read_body
from pipeline.dead_letter_topic import GROUP, dead_letter, replay_dead_letters
from pipeline.topics import Topic
from telemetry.errors import InputError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from pipeline.dead_letter_topic import DeadLetter
    from pipeline.durable_log import DurableLog
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
        await self._log.room()
        await self._log.append(letter.topic, letter.partition or 0, letter.key, letter.value, letter.headers)

    async def mark_replayed(self, letter: DeadLetter) -> None:
        """As `DeadLetterTopic.mark_replayed`."""
        await self._log.commit(GROUP, {(_TOPIC, letter.place): letter.number + 1})


MAX_BODY = 10_000
"""Bytes of a request to replay."""


def routes(dead: LogDeadLetters, store: Store) -> list[Route]:
    """`GET`: a JSON object a line for each dead letter. `POST .../replay`: sends them, `{"again": true}` all of them."""

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

    return [Route(PATH, listed, methods=["GET"]), Route(f"{PATH}/replay", replay, methods=["POST"])]
