"""Tempo's query API under /tempo.

GET /tempo/api/echo, /tempo/ready, /tempo/api/status/buildinfo
GET /tempo/api/search                          by TraceQL (`q`) or by `tags`
GET /tempo/api/traces/ID, /tempo/api/v2/traces/ID
GET /tempo/api/search/tags, /tempo/api/v2/search/tags
GET /tempo/api/search/tag/NAME/values, /tempo/api/v2/search/tag/FIELD/values

Paths, parameters and answers: https://grafana.com/docs/tempo/latest/api_docs/. One more parameter, `environment`, says whose
spans; without it they are those of all. What was cut says so: `status` is PARTIAL, `message` why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from components.secrets import SECRETS
from dashboards.read_models.http_errors import headers_of, status_of
from dashboards.read_models.parameters import go_duration, trace_id_of
from dashboards.read_models.reader import within
from dashboards.read_models.span_search import PAGE, FoundSpans, SpanSearch
from dashboards.tempo_api import tags, traces
from dashboards.tempo_api.parameters import (
    LIMIT,
    MAX_LIMIT,
    MAX_SPANS,
    SPANS,
    TempoParameterError,
    number,
    tags_of,
    time_range,
    whole_range,
)
from dashboards.tempo_api.search import by_query, by_tags, shown_fields, trace_body
from dashboards.tempo_api.traceql.evaluate import holds
from dashboards.tempo_api.traceql.parser import parse, parse_field
from dashboards.tempo_api.traceql.question import filters_of
from dashboards.tempo_api.traceql.syntax import INTRINSICS, Always, Attribute, AttributeScope
from dashboards.tempo_api.traceql.tokens import TraceQLError
from stores.store import OneOf, Query
from telemetry.documents import Kind, latest
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request

    from dashboards.read_models.reader import Reader
    from dashboards.tempo_api.traceql.syntax import Condition, Field
    from stores.store import Filter
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

PREFIX = "/tempo"

COMPATIBLE = "2.8.0"
"""The version of Tempo whose answers these are."""

MAX_NAMES = 5_000
"""Names, or values, in one answer: as many as Grafana asks for."""

MAX_REVISIONS = 20_000
"""Most documents of traces that are read to name the roots of those found."""


class TraceNotFoundError(SpanloomError):
    """There is no such trace."""


class TempoApi:
    """Answers over the stored spans.

    Args:
        reader: reads them.
        now: the clock, ns: until when a search looks that names no end.
        version: of this software.
    """

    def __init__(self, reader: Reader, now: Callable[[], int], version: str) -> None:
        self._reader, self._now, self._version = reader, now, version
        self._search = SpanSearch(reader.reads)

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            _route("/api/echo", self._echo),
            _route("/ready", self._ready),
            _route("/api/status/buildinfo", self._buildinfo),
            _route("/api/search", self._found),
            _route("/api/search/tags", self._tags),
            _route("/api/v2/search/tags", self._tags_v2),
            _route("/api/search/tag/{name:path}/values", self._values),
            _route("/api/v2/search/tag/{name:path}/values", self._values_v2),
            _route("/api/traces/{trace_id}", self._trace),
            _route("/api/v2/traces/{trace_id}", self._trace_v2),
        ]

    async def _echo(self, _: Request) -> Response:
        return PlainTextResponse("echo")

    async def _ready(self, _: Request) -> Response:
        return PlainTextResponse("ready")

    async def _buildinfo(self, _: Request) -> Response:
        built = {"version": COMPATIBLE, "revision": self._version, "branch": "", "buildUser": "Spanloom", "buildDate": ""}
        return await _json(built | {"goVersion": ""})

    async def _found(self, request: Request) -> Response:
        asked, where = request.query_params, _within(request)
        limit, most = number(asked, "limit", LIMIT, MAX_LIMIT), number(asked, "spss", SPANS, MAX_SPANS)
        since, until = time_range(asked, self._now())
        shown: list[Field] = []
        if text := asked.get("q", ""):
            selection = parse(text)
            condition, shown = by_query(selection, where, since, until), shown_fields(selection)
        else:
            condition = by_tags(tags_of(asked.get("tags", "")), where, since, until)
        shortest, longest = (go_duration(name, asked.get(name, "")) for name in ("minDuration", "maxDuration"))
        of_traces = bool(shortest or longest)
        found = await self._search.find(condition, MAX_LIMIT if of_traces else limit)
        known = await self._traces(list(found.by_trace), where)
        roots = await self._roots(known, where)
        bodies = [
            trace_body(trace_id, spans, known.get(trace_id), roots.get(trace_id, ""), shown, most)
            for trace_id, spans in found.by_trace.items()
            if not of_traces or shortest <= _duration(known.get(trace_id), spans) <= (longest or 2**63)
        ]
        return await _json({"traces": bodies[:limit], **_metrics(found)})

    async def _traces(self, trace_ids: Sequence[str], where: Sequence[Filter]) -> dict[str, Body]:
        """The newest documents of these traces, by their ids."""
        if not trace_ids:
            return {}
        query = Query(Kind.TRACE, [*where, OneOf("trace_id", trace_ids)], limit=MAX_REVISIONS)
        documents, _ = await self._reader.reads.as_many(query)
        return {body["trace_id"]: body for body in latest(documents)}

    async def _roots(self, traces: Mapping[str, Body], where: Sequence[Filter]) -> dict[str, str]:
        """The names of the root spans of traces, by the ids of these."""
        places = {(trace_id, trace["root"]["span_id"]) for trace_id, trace in traces.items() if trace["root"]["span_id"]}
        if not places:
            return {}
        of_traces = OneOf("trace_id", [trace_id for trace_id, _ in places])
        asked = [*where, of_traces, OneOf("span_id", sorted({span_id for _, span_id in places}))]
        spans, _ = await self._reader.reads.as_many(Query(Kind.SPAN, asked, limit=MAX_REVISIONS))
        return {span["trace_id"]: span["name"] for span in spans if (span["trace_id"], span["span_id"]) in places}

    async def _tags(self, request: Request) -> Response:
        names, found = await self._names(request)
        joined = sorted({name for scope, of_scope in names.items() if scope != tags.INTRINSIC for name in of_scope})
        shown = names.get(tags.INTRINSIC, []) if request.query_params.get("scope") == tags.INTRINSIC else joined
        return await _json({"tagNames": shown[: _most(request)], **_metrics(found)})

    async def _tags_v2(self, request: Request) -> Response:
        names, found = await self._names(request)
        most = _most(request)
        scopes = [{"name": scope, "tags": of_scope[:most]} for scope, of_scope in names.items()]
        return await _json({"scopes": scopes, **_metrics(found)})

    async def _names(self, request: Request) -> tuple[dict[str, list[str]], FoundSpans]:
        scope = request.query_params.get("scope", "")
        scope = "" if scope in {"all", "none"} else scope
        if scope not in {"", tags.INTRINSIC, *tags.SCOPES}:
            known = ", ".join([*tags.SCOPES, tags.INTRINSIC])
            raise TempoParameterError(f"invalid scope: {scope[:100]!r} is none of {known}")
        found = await self._newest(request)
        return await asyncio.to_thread(tags.tag_names, _spans(found), scope), found

    async def _newest(self, request: Request) -> FoundSpans:
        """The newest spans that meet `q`, from which names and values are read."""
        since, until = time_range(request.query_params, self._now())
        condition = _lenient(request)
        where = [*_within(request), *filters_of(condition)]
        query = Query(Kind.SPAN, where, since, until, descending=True, limit=PAGE)
        spans, more = await self._reader.reads.as_many(query)
        found = _grouped([span for span in spans if holds(condition, span)], len(spans))
        if more:
            found.cut = f"from the newest {len(spans)} spans of the time only: name less time for others"
        return found

    async def _values(self, request: Request) -> Response:
        name = unquote(request.path_params["name"])
        field = parse_field(name) if name in INTRINSICS else Attribute(AttributeScope.EITHER, name)
        values, cut = await self._values_of(request, field)
        return await _json({"tagValues": sorted({text for _, text in values}), **_metrics(cut)})

    async def _values_v2(self, request: Request) -> Response:
        values, cut = await self._values_of(request, parse_field(unquote(request.path_params["name"])))
        return await _json({"tagValues": [{"type": type_, "value": text} for type_, text in values], **_metrics(cut)})

    async def _values_of(self, request: Request, field: Field) -> tuple[list[tuple[str, str]], FoundSpans | None]:
        """Types and texts, and the spans that they are from, if they are from some."""
        most = _most(request)
        if field in tags.ENUMERATED:
            return [("keyword", text) for text in tags.ENUMERATED[field]], None
        if field in tags.NO_VALUES:
            return [], None
        stored = tags.stored_field(field)
        if stored and not request.query_params.get("q"):
            since, until = time_range(request.query_params, self._now())
            query = Query(stored.kind, _within(request), since, until, limit=most)
            return [("string", text) for text in await self._reader.reads.values(query, stored.name)], None
        found = await self._newest(request)
        return (await asyncio.to_thread(tags.tag_values, field, _spans(found)))[:most], found

    async def _trace(self, request: Request) -> Response:
        spans, _ = await self._whole(request)
        return await asyncio.to_thread(_trace_v1, spans, _wants_protobuf(request))

    async def _trace_v2(self, request: Request) -> Response:
        spans, cut = await self._whole(request)
        return await asyncio.to_thread(_trace_v2, spans, cut, _wants_protobuf(request))

    async def _whole(self, request: Request) -> tuple[list[Body], str]:
        trace_id = trace_id_of(request.path_params["trace_id"])
        since, until = whole_range(request.query_params)
        whole = await self._search.traces([trace_id], _within(request))
        spans = whole.by_trace.get(trace_id, [])
        if not any((since or 0) <= span["start"] <= (until or 2**63) for span in spans):
            raise TraceNotFoundError("trace not found")
        return spans, whole.cut


def _within(request: Request) -> Sequence[Filter]:
    return within(request.query_params.get("environment"))


def _most(request: Request) -> int:
    return number(request.query_params, "limit", MAX_NAMES, MAX_NAMES)


def _wants_protobuf(request: Request) -> bool:
    return traces.PROTOBUF in request.headers.get("accept", "")


def _lenient(request: Request) -> Condition:
    """The condition of `q`; all spans where somebody still writes it, as Tempo has it."""
    try:
        text = request.query_params.get("q", "")
        return parse(text).condition if text else Always()
    except TraceQLError:
        return Always()


def _grouped(spans: Sequence[Body], examined: int) -> FoundSpans:
    found = FoundSpans(examined=examined)
    for span in spans:
        found.by_trace[span["trace_id"]].append(span)
    return found


def _spans(found: FoundSpans) -> list[Body]:
    return [span for spans in found.by_trace.values() for span in spans]


def _duration(trace: Body | None, spans: Sequence[Body]) -> int:
    if trace:
        return int(trace["duration"])
    return int(max(span["start"] + span["duration"] for span in spans) - min(span["start"] for span in spans))


def _metrics(found: FoundSpans | None) -> JsonObject:
    """How much was looked at; all jobs are completed only where nothing was cut."""
    if found is None:
        return {"metrics": {"totalJobs": 1, "completedJobs": 1}}
    counts = {"inspectedTraces": len(found.by_trace), "inspectedSpans": str(found.examined)}
    metrics = counts | {"totalJobs": 1, "completedJobs": int(not found.cut)}
    return {"metrics": metrics} | ({"status": "PARTIAL", "message": found.cut} if found.cut else {})


def _trace_v1(spans: Sequence[Body], protobuf: bool) -> Response:  # noqa: FBT001  of no other use
    trace = traces.encoded(spans)
    if protobuf:
        return Response(trace, media_type=traces.PROTOBUF)
    return Response(orjson.dumps(traces.as_json(trace)), media_type="application/json")


def _trace_v2(spans: Sequence[Body], cut: str, protobuf: bool) -> Response:  # noqa: FBT001  as above
    trace = traces.encoded(spans)
    if protobuf:
        return Response(traces.as_protobuf_v2(trace, cut), media_type=traces.PROTOBUF)
    return Response(orjson.dumps(traces.as_json_v2(trace, cut)), media_type="application/json")


def _route(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SpanloomError as error:
            status = 404 if isinstance(error, TraceNotFoundError) else status_of(error)
            return PlainTextResponse(SECRETS.mask(str(error)), status, headers_of(error))

    return Route(f"{PREFIX}{path}", answer, methods=["GET"])


async def _json(body: JsonObject) -> Response:
    return Response(await asyncio.to_thread(orjson.dumps, body), media_type="application/json")
