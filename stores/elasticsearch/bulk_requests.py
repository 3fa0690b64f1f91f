"""Bulk requests: each document gets its answer, busy ones after further tries; an unreadable one costs no other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from elasticsearch import ApiError

from telemetry.errors import StoreError
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import AsyncElasticsearch

    from telemetry.documents import Document

BUSY = (429, 500, 502, 503, 504)
RETRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.2, 1.0
"""Seconds between tries, doubled each time: 3 s in all, then the caller waits until Elasticsearch answers."""

REQUEST_SECONDS = 60.0
"""How long Elasticsearch may take for a request. One that is given up goes on there, and the next adds to its load."""

UNFIT = (400, 413, 500)
"""What Elasticsearch says of a document that its mapping refuses, of one that is too large, and of one that trips it up."""

UNREADABLE = (400, 413)
"""What it says of a whole request in which one document makes it so."""

_NOT_FOUND = 404

_ANSWER = ["items.create.status", "items.create._index", "items.create.error"]
"""What is read of an answer: half of its bytes are not sent."""


class Action(NamedTuple):
    """A document with its two lines of a request."""

    document: Document
    lines: bytes


Answer = tuple["Document", JsonObject]
"""A document and what Elasticsearch says of it."""


def action(document: Document, text: bytes) -> Action:
    """A document that is to be created, given its JSON."""
    return Action(document, b'{"create":{"_id":%b}}\n%b\n' % (orjson.dumps(document.id), text))


class BulkRequests:
    """Sends bulk requests, one at a time for each caller."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self._client = client

    async def send(self, stream: str, actions: Sequence[Action]) -> list[Answer]:
        """What Elasticsearch says of each document in the end: those that it is too busy for are sent again.

        Raises:
            ApiError, TransportError: of the request as a whole.
        """
        try:
            return await self._send(stream, actions)
        except ApiError as error:
            if error.status_code not in UNREADABLE:
                raise
            answers = await self._halves(stream, actions, error)
            if len(actions) > 1 and all(outcome["status"] in UNREADABLE for _, outcome in answers):
                raise  # it is not the documents
            return answers

    async def _send(self, stream: str, actions: Sequence[Action]) -> list[Answer]:
        answers: list[Answer] = []
        attempt = 0
        while actions:
            body: Any = b"".join(one.lines for one in actions)
            busy: list[Action] = []
            try:
                response = await self._client.bulk(index=stream, operations=body, require_data_stream=True, filter_path=_ANSWER)
            except ApiError as error:
                if error.status_code not in BUSY or attempt == RETRIES:
                    raise
                busy += actions
            else:
                for one, item in zip(actions, response["items"], strict=True):
                    outcome = item["create"]
                    if outcome["status"] in BUSY and attempt < RETRIES:
                        busy.append(one)
                    else:
                        answers.append((one.document, outcome))
            actions = busy
            if actions:
                await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
                attempt += 1
        return answers

    async def _halves(self, stream: str, actions: Sequence[Action], error: ApiError) -> list[Answer]:
        """The answers to a request that Elasticsearch cannot read: those to its halves, down to the document that is it."""
        if len(actions) == 1:
            return [(actions[0].document, {"status": error.status_code, "error": str(error)})]
        answers: list[Answer] = []
        middle = len(actions) // 2
        for half in (actions[:middle], actions[middle:]):
            try:
                answers += await self._send(stream, half)
            except ApiError as again:
                if again.status_code not in UNREADABLE:
                    raise
                answers += await self._halves(stream, half, again)
        return answers


def reason(error: object) -> str:
    """Elasticsearch's reason with its deepest cause, which is the one that names the field."""
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by")
    return f"{error.get('reason')}" + (f": {reason(cause)}" if cause else "")


def failure(outcome: dict[str, object]) -> StoreError:
    """Why a document could not be stored, for now."""
    why = reason(outcome["error"])
    if outcome["status"] == _NOT_FOUND:
        return StoreError(f"Elasticsearch lacks a data stream: run `spanloom setup elasticsearch` ({why})")
    return StoreError(f"Elasticsearch did not accept documents (status {outcome['status']}): {why}")
