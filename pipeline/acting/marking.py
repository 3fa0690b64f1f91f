"""Marks over HTTP: what people say of anomalies and rankings, under the name that was authenticated.

POST /api/v1/anomalies/{id}/mark   {"verdict": "right" | "wrong" | "expected", "note": "...", "for": "2h"}
POST /api/v1/rankings/{id}/mark    {"verdict": "right" | "wrong", "note": "...", "cause": "SERVICE"}
GET  /api/v1/marks                 the marks that count, the newest first; of one environment with ?environment=

400 says what was asked wrongly, 404 that no such finding is stored, 503 that the store does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting.playbooks.api.approval import read_fields
from alerting.playbooks.api.control import authenticated, reporting_errors
from components.durations import format_duration, parse_duration
from processors.detectors.streaming import surprise_of
from processors.feedback.mark import (
    EXPECTED_FOR,
    LASTS,
    MAX_TEXT,
    MOST_EXPECTED_FOR,
    Mark,
    MarkVerdict,
    Move,
    Subject,
    evidence_key,
    series_key,
)
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import ConfigError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from alerting.prometheus_api.exemplars import MetricDocuments
    from pipeline.acting.settings import AlertingSettings
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

SECONDS = 10.0
"""That the store may take to find what is marked."""

_KINDS = {Subject.ANOMALY: Kind.ANOMALY, Subject.RANKING: Kind.CULPRIT}


def routes(settings: AlertingSettings, store: MetricDocuments | None, now: Callable[[], int]) -> list[Route]:
    """The routes of marks.

    Args:
        settings: keep the marks, and send them where they count.
        store: has what is marked.
        now: the clock, ns.
    """

    async def mark(request: Request, subject: Subject) -> JSONResponse:
        who, fields, id_ = authenticated(request), await read_fields(request), request.path_params["id"]
        try:
            body = await _found(store, subject, id_)
        except StoreError as error:
            return JSONResponse({"error": str(error)}, 503)
        if body is None:
            return JSONResponse({"error": f"no {subject} {id_[:100]!r} is stored"}, 404)
        made = mark_of(subject, id_, body, fields, who, now())
        await settings.mark(made)
        return JSONResponse(_shown(made))

    async def mark_anomaly(request: Request) -> JSONResponse:
        return await mark(request, Subject.ANOMALY)

    async def mark_ranking(request: Request) -> JSONResponse:
        return await mark(request, Subject.RANKING)

    async def marks(request: Request) -> JSONResponse:
        held = settings.marks.at(now(), request.query_params.get("environment"))
        return JSONResponse({"marks": [_shown(each) for each in held]})

    return [
        Route("/api/v1/anomalies/{id}/mark", reporting_errors(mark_anomaly), methods=["POST"]),
        Route("/api/v1/rankings/{id}/mark", reporting_errors(mark_ranking), methods=["POST"]),
        Route("/api/v1/marks", marks, methods=["GET"]),
    ]


async def _found(store: MetricDocuments | None, subject: Subject, id_: str) -> Body | None:
    if store is None:
        return None
    found = await store.find(Query(_KINDS[subject], (Equals("_id", id_),), limit=1, seconds=SECONDS))
    return found[0] if found else None


def mark_of(subject: Subject, id_: str, body: Body, fields: JsonObject, who: str, now: int) -> Mark:
    """The mark that somebody asks for.

    Args:
        subject: what is marked.
        id_: of its document.
        body: of its document.
        fields: what was sent.
        who: sent it.
        now: ns.

    Raises:
        InputError: says what to send instead.
    """
    try:
        verdict = MarkVerdict(str(fields.get("verdict", "")))
    except ValueError:
        raise InputError(f"send `verdict` as one of {', '.join(MarkVerdict)}") from None
    if subject is Subject.RANKING:
        moves, about, lasts, surprise = *_of_ranking(body, verdict, str(fields.get("cause", ""))), LASTS, 0.0
    else:
        series = body["series"]
        key = series_key(body["kind"], series["name"], series["labels"].items())
        moves, about, surprise = [Move(key=key, up=verdict is MarkVerdict.WRONG)], body["why"], surprise_of(body["score"])
        lasts = _lasts(verdict, str(fields.get("for", "")))
    return Mark(
        subject=subject,
        id=id_[:MAX_TEXT],
        verdict=verdict,
        at=now,
        expires=now + lasts,
        who=who[:MAX_TEXT],
        note=str(fields.get("note", ""))[:MAX_TEXT],
        environment=body.get("environment") or DEFAULT_ENVIRONMENT,
        about=f"{body['kind']} of {body['service']}: {about}"[:MAX_TEXT] if subject is Subject.ANOMALY else about[:MAX_TEXT],
        moves=moves,
        surprise=surprise,
    )


def _lasts(verdict: MarkVerdict, asked: str) -> int:
    if verdict is not MarkVerdict.EXPECTED:
        if asked:
            raise InputError(f"`for` is of the verdict expected; {verdict} counts for {format_duration(LASTS)}, less each day")
        return LASTS
    try:
        lasts = parse_duration(asked) if asked else EXPECTED_FOR
    except ConfigError as error:
        raise InputError(f"`for`: {error}") from None
    if not 0 < lasts <= MOST_EXPECTED_FOR:
        raise InputError(f"`for`: something can be expected for up to {format_duration(MOST_EXPECTED_FOR)}")
    return lasts


def _of_ranking(body: Body, verdict: MarkVerdict, cause: str) -> tuple[list[Move], str]:
    suspects = {suspect["service"]: suspect for suspect in body["ranking"]}
    first = next(iter(suspects))
    if verdict is MarkVerdict.EXPECTED:
        raise InputError("a ranking is right or wrong; mark the anomaly as expected instead")
    if cause and cause not in suspects:
        raise InputError(f"`cause`: {cause[:100]!r} is no suspect of this ranking; they are {', '.join(suspects)[:500]}")
    if cause and (cause == first) is (verdict is MarkVerdict.WRONG):
        raise InputError(f"`cause`: the ranking has {first} first; it is right if that was the cause, else wrong")
    moves = _moves(suspects[first], up=verdict is MarkVerdict.RIGHT)
    if cause and verdict is MarkVerdict.WRONG:
        moves += _moves(suspects[cause], up=True)
    return moves, f"{first} first of {len(suspects)}" + (f"; the cause was {cause}" if cause else "")


def _moves(suspect: Body, *, up: bool) -> list[Move]:
    signals = sorted({evidence["signal"] for evidence in suspect["evidence"]})
    return [Move(key=evidence_key(suspect["service"], signal), up=up) for signal in signals]


def _shown(mark: Mark) -> JsonObject:
    return mark.model_dump(mode="json", exclude={"moves"})
