"""The HTTP API: paths and query parameters, over a store of a few documents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.routing import Mount

from alerting.alertmanager.api import AlertmanagerApi
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.api import routes as rule_routes
from alerting.rules.book import RuleBook
from alerting.rules.engine import AlertEngine
from dashboards.api.attributes import attribute_routes
from dashboards.api.logs import log_routes
from dashboards.api.routes import answer_errors, routes
from dashboards.api.traces import answer_search_errors, trace_routes
from dashboards.jaeger_api.routes import JaegerApi
from dashboards.read_models.reader import Reader
from dashboards.search.log_tail import LogTail
from dashboards.tempo_api.routes import TempoApi
from spanloom.components import NOTIFIERS
from stores.duckdb.store import DuckDbStore
from telemetry.documents.signals import span_document
from tests.fuzz.rules import NOW
from tests.fuzz.target import Target
from tests.generated import traces

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

CONFIG = "route: {receiver: team}\nreceivers: [{name: team}]\n"
SEEDS = (
    b"/api/v1/find?kind=span&where=attributes.http.route:/buy&since=0&until=9&sort=duration&descending=true&limit=3",
    b"/api/v1/find?kind=trace&where=root.service:cart&where=span_count:12",
    b"/api/v1/traces/0102030405060708090a0b0c0d0e0f10",
    b"/api/v1/service-map?since=1&until=2",
    b"/api/v1/traces?q=service=cart and duration>1ms and not (a.b>=5 or c=~'x.*')&order=slowest&limit=3&cursor=2",
    b"/api/v1/traces/facets?q=status=error&field=service&field=a.b&limit=3",
    b"/api/v1/traces/heatmap?since=1&until=1700000000000000000&columns=5&rows=4",
    b"/api/v1/traces/common?slower_than=5&q=cart",
    b"/api/v1/attributes?prefix=h&signal=log&limit=5",
    b"/api/v1/attributes/http.route/values?prefix=/b",
    b"/api/v1/logs?q=refused severity>=error&order=oldest&cursor=5-a&limit=2",
    b"/api/v1/logs/histogram?until=9&columns=3",
    b"/api/v1/logs/templates?limit=3",
    b"/api/v1/rules/a/b",
    b"/api/v2/alerts?filter=a%3D%22b%22&receiver=te.*&active=false",
    b"/api/v2/silences?filter=a=~b",
    b"/api/v2/silence/00000000-0000-0000-0000-000000000000",
    b"/api/v2/alerts/groups?silenced=false",
    b"/prometheus/api/v1/query?query=sum by (a) (rate(load[5m]))&time=1700000000.5",
    b"/prometheus/api/v1/query_range?query=load&start=1700000000&end=2023-11-14T22:14:00Z&step=15s&timeout=1",
    b"/prometheus/api/v1/series?match[]=load{a=~'b'}&limit=1",
    b"/prometheus/api/v1/label/a/values",
    b'/jaeger/api/traces?service=cart&operation=GET&tags={"a":"b"}&tag=c:1&start=0&end=9&minDuration=1.5ms&maxDuration=2h&limit=3',
    b"/jaeger/api/operations?service=cart&spanKind=server",
    b"/jaeger/api/v3/traces?query.start_time_min=2023-11-14T22:14:00Z&query.start_time_max=2033-11-14T22:14:00.1Z",
    b"/jaeger/api/dependencies?endTs=1700000000000&lookback=5",
    b'/tempo/api/search?q={ span.a = 5 && (duration > 1ms || !(.b =~ "c")) }|select(name)&start=1&end=1700000000&limit=5',
    b'/tempo/api/search?tags=service.name=cart a="b c"&minDuration=1ms',
    b"/tempo/api/v2/search/tag/resource.service.name/values?q={ status = error }",
    b"/tempo/api/v2/search/tags?scope=span",
    b"/tempo/api/v2/traces/0102030405060708090a0b0c0d0e0f10",
    b"/metrics",
)
_WORDS = (
    b"kind=", b"where=", b"a.b:", b"sort=", b"limit=", b"since=", b"'", b'"', b"%00", b"%ff", b";", b"--", b"$.", b"[0]",
    b"*", b"9223372036854775808", b"-1", b"1e999", b"nan", b"filter=", b"receiver=(", b"/..", b"//", b"%2f", b"&", b"?",
    b"_id", b"true",
)  # fmt: skip


class _Api:
    """The application, made at the first request: the store's threads do not outlive a fork."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._app: FastAPI | None = None
        self._store: DuckDbStore | None = None

    def close(self) -> None:
        """End the store's threads and the loop."""
        if self._store is not None:
            self._loop.run_until_complete(self._store.close())
        self._loop.close()

    def get(self, target: bytes) -> int:
        """The status of the answer."""
        return self._loop.run_until_complete(self._get(target))

    async def _get(self, target: bytes) -> int:
        if self._app is None:
            self._app = await self._made()
        path, _, query = target.partition(b"?")
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        if not query.isascii():
            return 400  # by the access middleware, which stands before it
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/" + path.lstrip(b"/").decode("utf-8", "replace"), "raw_path": quote_from_bytes(path, "/%").encode(),
            "query_string": query, "root_path": "", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }  # fmt: skip
        await self._app(scope, receive, send)
        return statuses[0]

    async def _made(self) -> FastAPI:
        store = self._store = DuckDbStore(self._folder / "api.duckdb", threads=1)
        await store.write([span_document(span) for spans in traces(2) for span in spans])
        app = FastAPI(openapi_url=None)
        answer_errors(app)
        reader = Reader(store)
        app.include_router(trace_routes(reader, lambda: NOW))
        app.include_router(attribute_routes(reader))
        app.include_router(log_routes(reader, lambda: NOW, LogTail(reader.reads, lambda: NOW, looks=0)))
        answer_search_errors(app)
        app.include_router(routes(Reader(store), dict, CollectorRegistry()))

        async def saved() -> None:
            return

        async def note(_event: str, _who: str, /, **_: object) -> None:
            return

        held, engine = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS)), AlertEngine()
        manager = AlertmanagerApi(lambda: {"default": held}, lambda: NOW, saved)
        rules = rule_routes(lambda: {"default": engine}, RuleBook(engine), saved, note)
        app.router.routes += [*rules, Mount("/am", routes=manager.routes())]
        app.router.routes += manager.routes()
        app.router.routes += JaegerApi(Reader(store), lambda: NOW).routes()
        app.router.routes += TempoApi(Reader(store), lambda: NOW, "1").routes()
        app.router.routes += PrometheusApi(lambda: {"default": engine}, lambda: NOW, "1").routes()
        return app


def of_api(folder: Path, stack: ExitStack) -> Target:
    """GET requests; every answer but one of our own errors is right."""
    api = _Api(folder)
    stack.callback(api.close)

    def run(data: bytes) -> None:
        status = api.get(data)
        assert status < 500 or status == 503, f"answered {status}"

    return Target("api-queries", run, SEEDS, _WORDS, 500e-6, 5000)
