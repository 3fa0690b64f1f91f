"""Prometheus' HTTP API under /prometheus, over the samples that rules read: what Grafana and promtool ask for.

GET, POST /prometheus/api/v1/query           at a time
GET, POST /prometheus/api/v1/query_range     at each step of a range
GET, POST /prometheus/api/v1/query_exemplars exemplars of a query's series, with their traces
GET, POST /prometheus/api/v1/series          label sets of series
GET, POST /prometheus/api/v1/labels          label names
GET       /prometheus/api/v1/label/NAME/values
POST      /prometheus/api/v1/read            samples, for another Prometheus
GET       /prometheus/api/v1/rules, alerts, metadata, status/buildinfo

Paths, parameters, answers and errors: https://prometheus.io/docs/prometheus/latest/querying/api/. One more parameter,
`environment`, says whose samples; without it they are those of the only environment that has samples, else those of `default`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.prometheus_api import remote_read
from alerting.prometheus_api.evaluation import Evaluator, QueryTimeoutError, until
from alerting.prometheus_api.exemplars import exemplars_of
from alerting.prometheus_api.parameters import ParameterError, Parameters, parameters_of
from alerting.prometheus_api.series import cut, series_in, types_of
from alerting.promql.expression import LOOKBACK
from alerting.promql.query import compile_query
from alerting.promql.vectors import NAME, EvaluationError
from alerting.rules.api import alert_body, error_answer, rule_groups
from alerting.stored_samples.history import RECENT, ReadRanges
from components.durations import SECOND
from components.http.request_body import read_body
from stores.store import QuestionRefusedError
from telemetry.environment import DEFAULT_ENVIRONMENT, EVERY_ENVIRONMENT
from telemetry.errors import ConfigError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request

    from alerting.prometheus_api.exemplars import MetricDocuments
    from alerting.promql.query import Query
    from alerting.promql.vectors import Labels
    from alerting.rules.engine import AlertEngine
    from alerting.stored_samples.history import StoredHistory
    from telemetry.errors import SpanloomError

PREFIX = "/prometheus/api/v1"

TIMEOUT = 30 * SECOND
"""How long a query may take; `timeout` may ask for less."""

COMPATIBLE = "3.0.0"
"""The version of Prometheus whose semantics these are."""

MAX_NOTES = 16
"""Of an answer to remote read, in a header."""

Answer = tuple[object, list[str]]
"""The data of an answer, and warnings."""


class PrometheusApi:
    """Answers over the engines of the environments that are here.

    Args:
        engines: by the name of the environment.
        now: the clock, ns: when a query is that names no time.
        version: of this software.
        histories: the older samples of each environment, where they are stored.
        metrics: have the exemplars.
    """

    def __init__(
        self,
        engines: Callable[[], Mapping[str, AlertEngine]],
        now: Callable[[], int],
        version: str,
        histories: Callable[[], Mapping[str, StoredHistory]] = dict,
        metrics: MetricDocuments | None = None,
    ) -> None:
        self._engines, self._now, self._version, self._histories = engines, now, version, histories
        self._metrics = metrics
        self._evaluator = Evaluator()

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            _route("query", self._query, "POST"),
            _route("query_range", self._query_range, "POST"),
            _route("query_exemplars", self._query_exemplars, "POST"),
            _route("series", self._series, "POST"),
            _route("labels", self._label_names, "POST"),
            _route("label/{name}/values", self._label_values),
            _route("rules", self._rules),
            _route("alerts", self._alerts),
            _route("metadata", self._metadata),
            _route("status/buildinfo", self._buildinfo),
            Route(f"{PREFIX}/read", self._remote_read, methods=["POST"]),
        ]

    def _engine(self, parameters: Parameters) -> AlertEngine:
        return self._engines()[self._environment(parameters)]

    def _environment(self, parameters: Parameters) -> str:
        here = self._engines()
        name = parameters.text("environment")
        if not name:
            fed = [each for each, engine in here.items() if len(engine.samples) and each != EVERY_ENVIRONMENT]
            name = fed[0] if len(fed) == 1 else DEFAULT_ENVIRONMENT
        if name not in here:
            known = ", ".join(sorted(here)) or "none"
            raise ParameterError(f'invalid parameter "environment": {name[:100]!r} is not here; here: {known}')
        return name

    async def _past(self, asked: Parameters, query: Query, start: int, end: int) -> ReadRanges:
        """What the query reads that is older than memory."""
        history = self._histories().get(self._environment(asked))
        if history is None:
            return ReadRanges()
        try:
            async with asyncio.timeout(_timeout(asked)):
                return await history.for_query(query.reaches, start, end, LOOKBACK, self._now())
        except TimeoutError:
            raise QueryTimeoutError("query timed out while samples were read") from None

    async def _remote_read(self, request: Request) -> Response:
        """Samples, those of before raw ones are kept as the last of each bucket."""
        asked = Parameters({name: request.query_params.getlist(name) for name in request.query_params})
        try:
            environment = self._environment(asked)
            samples, history = self._engines()[environment].samples, self._histories().get(environment)
            found, notes = [], set[str]()
            for reach, end in remote_read.read_request(await read_body(request, remote_read.MAX_REQUEST)):
                start, columns = end - reach.width + 1, None
                if history is not None:
                    async with asyncio.timeout(TIMEOUT / SECOND):
                        past = await history.for_query((reach,), end, end, LOOKBACK, self._now())
                    columns = past.columns(reach)
                    notes.update(past.notes())
                found.append((columns.columns if columns is not None else samples.select(reach.matchers), start, end))
            body = await remote_read.answer(found)
        except TimeoutError:
            return error_answer(503, "timeout", "query timed out while samples were read")
        except (EvaluationError, StoreError, InputError) as error:
            return _rejected(error, 400)
        headers = {"Content-Encoding": "snappy"}
        if notes:
            headers[remote_read.WARNINGS] = json.dumps(sorted(notes)[:MAX_NOTES])
        return Response(body, media_type="application/x-protobuf", headers=headers)

    async def _query(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        at, timeout = asked.time("time", self._now()), _timeout(asked)
        compiled = compile_query(asked.text("query"))
        past = await self._past(asked, compiled, at, at)
        answer = await self._evaluator.instant(compiled, self._engine(asked).samples, at, timeout, past)
        return answer, past.notes() + self._refused(asked)

    async def _query_range(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        over, timeout = asked.range(), _timeout(asked)
        compiled = compile_query(asked.text("query"))
        past = await self._past(asked, compiled, over.start, over.end)
        answer = await self._evaluator.over_range(compiled, self._engine(asked).samples, over, timeout, past)
        return answer, past.notes() + self._refused(asked)

    async def _query_exemplars(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        start, end = _stretch(asked)
        if end < start:
            raise ParameterError('invalid parameter "end": end timestamp must not be before start time')
        selectors = [reach.matchers for reach in compile_query(asked.text("query")).reaches]
        if self._metrics is None or not selectors:
            return [], []
        return await exemplars_of(self._metrics, selectors, start, end, self._environment(asked), _timeout(asked))

    def _refused(self, asked: Parameters) -> list[str]:
        """Whose series an answer lacks, as they were beyond a bound in the last minutes."""
        environment = self._environment(asked)
        samples, history = self._engines()[environment].samples, self._histories().get(environment)
        stored = history.refused(samples.newest) if history is not None else []
        return sorted({*samples.refusals.recent("", samples.newest), *stored})

    async def _series(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        found = await self._series_in(asked, needed=True)
        return self._listed(asked, [dict(labels) for labels in sorted(found)])

    async def _label_names(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        found = await self._series_in(asked)
        return self._listed(asked, sorted({name for labels in found for name, _ in labels}))

    async def _label_values(self, request: Request) -> Answer:
        asked, wanted = await parameters_of(request), request.path_params["name"]
        found = await self._series_in(asked)
        return self._listed(asked, sorted({value for labels in found for name, value in labels if name == wanted}))

    def _listed(self, asked: Parameters, items: Sequence[object]) -> Answer:
        shown, warnings = cut(items, asked.limit())
        return shown, warnings + self._refused(asked)

    async def _series_in(self, asked: Parameters, *, needed: bool = False) -> set[Labels]:
        """Series with a sample in memory in the time that was asked for, and where it begins earlier those in the store."""
        (start, end), selectors = _stretch(asked), asked.selectors(needed=needed)
        environment = self._environment(asked)
        samples, history = self._engines()[environment].samples, self._histories().get(environment)
        found = set(series_in(samples, selectors, start, end, _until(asked)))
        if history is not None and start < samples.newest - RECENT:
            for matchers in selectors:
                found.update(await history.series_of(matchers, self._now()))
        return found

    async def _rules(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        kind = {"alert": "alerting", "record": "recording"}.get(asked.text("type"))
        groups = [
            group | {"rules": [rule for rule in group["rules"] if kind in {None, rule["type"]}]}
            for group in rule_groups(self._engine(asked))
        ]
        return {"groups": [group for group in groups if group["rules"] or kind is None]}, []

    async def _alerts(self, request: Request) -> Answer:
        engine = self._engine(await parameters_of(request))
        return {"alerts": [alert_body(alert) for alert in engine.active()]}, []

    async def _metadata(self, request: Request) -> Answer:
        asked = await parameters_of(request)
        engine = self._engine(asked)
        found = series_in(engine.samples, [()], 0, self._now(), _until(asked))
        names = {value for labels in found for name, value in labels if name == NAME}
        types = types_of(names, engine.samples.totals, engine.samples.gauges)
        return {name: [{"type": kind, "help": "", "unit": ""}] for name, kind in types.items()}, []

    async def _buildinfo(self, _: Request) -> Answer:
        return {"application": "Spanloom", "version": COMPATIBLE, "revision": self._version, "goVersion": ""}, []


def _route(path: str, handler: Callable[[Request], Awaitable[Answer]], *methods: str) -> Route:
    return Route(f"{PREFIX}/{path}", _answered(handler), methods=["GET", *methods])


def _timeout(asked: Parameters) -> float:
    return min(asked.duration("timeout", TIMEOUT), TIMEOUT) / SECOND


def _until(asked: Parameters) -> Callable[[], None]:
    return until(_timeout(asked))


def _stretch(asked: Parameters) -> tuple[int, int]:
    return asked.time("start", 0), asked.time("end", 2**63 - 1)


def _answered(handler: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            data, warnings = await handler(request)
        except (EvaluationError, StoreError, InputError) as error:
            return _rejected(error)
        body: dict[str, object] = {"status": "success", "data": data}
        return JSONResponse(body | ({"warnings": warnings} if warnings else {}))

    return answer


def _rejected(error: SpanloomError, otherwise: int = 413) -> Response:
    text = str(error)
    match error:
        case QueryTimeoutError():
            return error_answer(503, "timeout", text)
        case EvaluationError() | QuestionRefusedError():
            return error_answer(422, "execution", text)
        case StoreError():
            return error_answer(503, "unavailable", text)
        case ParameterError():
            return error_answer(400, "bad_data", text)
        case ConfigError():
            return error_answer(400, "bad_data", f'invalid parameter "query": {text}')
        case _:
            return error_answer(otherwise, "bad_data", text)
