"""Jaeger's query API under /jaeger.

GET /jaeger/api/services                       services that sent spans
GET /jaeger/api/services/SERVICE/operations    names of a service's spans
GET /jaeger/api/operations                     names and kinds of a service's spans
GET /jaeger/api/traces                         a search, or traces by `traceID`
GET /jaeger/api/traces/ID                      one trace
GET /jaeger/api/dependencies                   calls between services
GET /jaeger/api/v3/services, operations, traces, traces/ID

Paths, parameters and answers: https://www.jaegertracing.io/docs/latest/architecture/apis/. One more parameter,
`environment`, says whose spans; without it they are those of all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response
from starlette.routing import Route

from components.secrets import SECRETS
from dashboards.jaeger_api.parameters import (
    dependency_range,
    trace_query,
    trace_query_v3,
)
from dashboards.jaeger_api.search import condition_of
from dashboards.jaeger_api.spans import NO_SERVICE, short, trace_of
from dashboards.read_models.http_errors import headers_of, status_of
from dashboards.read_models.parameters import ParameterRefusedError, trace_id_of
from dashboards.read_models.reader import within
from dashboards.read_models.span_search import SpanSearch, WholeTraces
from stores.layout import SERVICE
from stores.store import Equals, Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind
from telemetry.documents.read_back import span_from_body
from telemetry.errors import SpanloomError
from telemetry.otlp.encode import encode_spans
from telemetry.otlp.to_json import traces_to_json
from telemetry.resource import UNKNOWN_SERVICE
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from starlette.requests import Request

    from dashboards.jaeger_api.parameters import TraceQuery
    from dashboards.read_models.reader import Reader
    from stores.store import Filter
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

PREFIX = "/jaeger/api"

MAX_NAMES = 10_000
"""Services, or operations of one, in an answer."""

MAX_TRACE_IDS = 100
"""Traces named in one request."""

_KINDS = tuple(kind.name.lower() for kind in SpanKind)


class NotFoundError(SpanloomError):
    """There is no such trace."""


class JaegerApi:
    """Answers over the stored spans.

    Args:
        reader: reads them.
        now: the clock, ns: until when a search looks that names no end.
    """

    def __init__(self, reader: Reader, now: Callable[[], int]) -> None:
        self._reader, self._now = reader, now
        self._search = SpanSearch(reader.reads)

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            _route("services", self._services, _error),
            _route("services/{service:path}/operations", self._operation_names, _error),
            _route("operations", self._operations, _error),
            _route("traces", self._traces, _error),
            _route("traces/{trace_id}", self._trace, _error),
            _route("dependencies", self._dependencies, _error),
            _route("v3/services", self._services_v3, _error_v3),
            _route("v3/operations", self._operations_v3, _error_v3),
            _route("v3/traces", self._traces_v3, _error_v3),
            _route("v3/traces/{trace_id}", self._trace_v3, _error_v3),
        ]

    async def _services(self, request: Request) -> JsonObject:
        return _names(await self._values(SERVICE, _within(request)))

    async def _operation_names(self, request: Request) -> JsonObject:
        where = [*_within(request), Equals(SERVICE, request.path_params["service"])]
        return _names(await self._values("name", where))

    async def _operations(self, request: Request) -> JsonObject:
        service = request.query_params.get("service", "")
        if not service:
            raise ParameterRefusedError("parameter 'service' is required")
        return _names(await self._named(service, request.query_params.get("spanKind", ""), _within(request)))

    async def _named(self, service: str, kind: str, where: Sequence[Filter]) -> list[JsonObject]:
        """Operations of a service, of one kind or of all, by name."""
        kinds = [kind] if kind else list(_KINDS)
        if not {kind.lower() for kind in kinds} <= set(_KINDS):
            raise ParameterRefusedError(f"unsupported span kind: {kind[:100]!r}")
        found: list[tuple[str, str]] = []
        for one in kinds:
            asked = [*where, Equals(SERVICE, service), Equals("kind", one.capitalize())]
            shown = "" if one == "unspecified" else one.lower()
            found += [(name, shown) for name in await self._values("name", asked)]
        return [{"name": name, "spanKind": shown} for name, shown in sorted(found)]

    async def _values(self, field: str, where: Sequence[Filter]) -> list[str]:
        return await self._reader.reads.values(Query(Kind.SPAN, where, limit=MAX_NAMES), field)

    async def _traces(self, request: Request) -> JsonObject:
        where = _within(request)
        if trace_ids := request.query_params.getlist("traceID"):
            return await self._by_ids(trace_ids, where)
        found, cuts = await self._find(trace_query(request.query_params, self._now()), where)
        return await asyncio.to_thread(_traces_body, found, [{"msg": cut} for cut in cuts])

    async def _find(self, query: TraceQuery, where: Sequence[Filter]) -> tuple[WholeTraces, list[str]]:
        found = await self._search.find(condition_of(query, where), query.limit)
        whole = await self._search.traces(list(found.by_trace), where)
        return whole, [cut for cut in (found.cut, whole.cut) if cut]

    async def _by_ids(self, texts: Sequence[str], where: Sequence[Filter]) -> JsonObject:
        if len(texts) > MAX_TRACE_IDS:
            raise ParameterRefusedError(f"more than {MAX_TRACE_IDS} of traceID")
        trace_ids = list(dict.fromkeys(map(trace_id_of, texts)))
        whole = await self._search.traces(trace_ids, where)
        missing = [trace_id for trace_id in trace_ids if trace_id not in whole.by_trace]
        errors: list[JsonObject] = [{"msg": "trace not found", "traceID": short(trace_id)} for trace_id in missing]
        return await asyncio.to_thread(_traces_body, whole, errors + ([{"msg": whole.cut}] if whole.cut else []))

    async def _trace(self, request: Request) -> JsonObject:
        whole = await self._whole(request)
        return await asyncio.to_thread(_traces_body, whole, [{"msg": whole.cut}] if whole.cut else [])

    async def _whole(self, request: Request) -> WholeTraces:
        trace_id = trace_id_of(request.path_params["trace_id"])
        whole = await self._search.traces([trace_id], _within(request))
        if not whole.by_trace:
            raise NotFoundError("trace not found")
        return whole

    async def _dependencies(self, request: Request) -> JsonObject:
        since, until = dependency_range(request.query_params, self._now())
        wanted = request.query_params.get("service", "")
        shown = await self._reader.service_map(since, until, request.query_params.get("environment"))
        services = set(await self._values(SERVICE, _within(request)))
        calls: dict[tuple[str, str], int] = {}
        for edge in shown.calls:
            if edge.caller.kind is edge.callee.kind is NodeKind.SERVICE:
                ends = _plain(edge.caller.name, services), _plain(edge.callee.name, services)
                calls[ends] = calls.get(ends, 0) + edge.calls
        links = [
            {"parent": parent, "child": child, "callCount": count}
            for (parent, child), count in sorted(calls.items())
            if wanted in {"", parent, child}
        ]
        return _body(links)

    async def _services_v3(self, request: Request) -> JsonObject:
        return {"services": await self._values(SERVICE, _within(request))}

    async def _operations_v3(self, request: Request) -> JsonObject:
        asked = request.query_params
        return {"operations": await self._named(asked.get("service", ""), asked.get("span_kind", ""), _within(request))}

    async def _traces_v3(self, request: Request) -> JsonObject:
        found, _ = await self._find(trace_query_v3(request.query_params), _within(request))
        if not found.by_trace:
            raise NotFoundError("No traces found")
        return await asyncio.to_thread(_otlp, found.by_trace.values())

    async def _trace_v3(self, request: Request) -> JsonObject:
        return await asyncio.to_thread(_otlp, (await self._whole(request)).by_trace.values())


def _within(request: Request) -> Sequence[Filter]:
    return within(request.query_params.get("environment"))


def _plain(service: str, services: set[str]) -> str:
    """A service by `service.name` alone, as Jaeger knows it."""
    if service == UNKNOWN_SERVICE:
        return NO_SERVICE
    while service not in services and "/" in service:
        service = service.partition("/")[2]
    return service


def _otlp(traces: Iterable[Sequence[Body]]) -> JsonObject:
    spans = [span_from_body(body) for trace in traces for body in trace]
    return {"result": traces_to_json(encode_spans(spans))}


def _traces_body(whole: WholeTraces, errors: list[JsonObject]) -> JsonObject:
    return _body([trace_of(trace_id, spans) for trace_id, spans in whole.by_trace.items()], errors)


def _names(names: list[str] | list[JsonObject]) -> JsonObject:
    cut: list[JsonObject] = [{"msg": f"there are more than {MAX_NAMES}"}] if len(names) >= MAX_NAMES else []
    return _body(names, cut) | {"total": len(names)}


def _body(data: object, errors: list[JsonObject] | None = None) -> JsonObject:
    return {"data": data, "total": 0, "limit": 0, "offset": 0, "errors": errors or None}


def _error(status: int, message: str) -> JsonObject:
    return _body(None, [{"code": status, "msg": message}])


def _error_v3(status: int, message: str) -> JsonObject:
    return {"error": {"httpCode": status, "message": message}}


def _route(
    path: str, handler: Callable[[Request], Awaitable[JsonObject]], error_body: Callable[[int, str], JsonObject]
) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return await _json(await handler(request))
        except SpanloomError as error:
            status = 404 if isinstance(error, NotFoundError) else status_of(error)
            return await _json(error_body(status, SECRETS.mask(str(error))), status, headers_of(error))

    return Route(f"{PREFIX}/{path}", answer, methods=["GET"])


async def _json(body: JsonObject, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = await asyncio.to_thread(orjson.dumps, body)
    return Response(content, status, headers, media_type="application/json")
