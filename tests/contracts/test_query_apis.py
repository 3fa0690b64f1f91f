"""Jaeger's and Tempo's searches on every store: what is found is what a look at every span finds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette

from dashboards.jaeger_api.routes import JaegerApi
from dashboards.read_models.reader import Reader
from dashboards.tempo_api.routes import TempoApi
from dashboards.tempo_api.traceql.evaluate import holds
from dashboards.tempo_api.traceql.parser import parse
from telemetry.documents import Kind
from tests.dashboards import shop
from tests.interop import jaeger_cases as cases
from tests.interop.jaeger_answers import ids_of
from tests.interop.test_jaeger_api import THEIRS

if TYPE_CHECKING:
    from stores.store import Store

QUERIES = (
    "{}",
    "{ duration >= 26ms && duration < 30ms }",
    "{ duration <= 999ns }",
    '{ resource.service.name =~ "payment|shipping" && kind != client }',
    '{ .service.name = "odd/service" && status = error }',
    "{ span.http.response.status_code >= 500 }",
    "{ span.http.response.status_code = 200 || span.ratio < 0.3 }",
    "{ span.yes = true && span.no = false }",
    '{ span.list = "a" }',
    "{ span.list = 1 }",
    '{ span.text = "<b>Größe & more</b>" && span.large > 4611686018427387904 }',
    "{ resource.host.cpus = 8 && span.zero = 0 }",
    '{ instrumentation.in.scope = "yes" }',
    "{ span.absent = nil && status = unset }",
    '{ trace:id = "a1b2c3d4e5f60718" && span:id = "1" }',
    '{ event:name = "exception" } || { name = "paid publish" }',
)


async def test_what_is_searched_for_is_found(store: Store) -> None:
    documents = cases.documents()
    assert not (await store.write(documents)).rejected
    await store.refresh(list(Kind))
    bodies = [document.body for document in documents if document.kind is Kind.SPAN]
    reader = Reader(store)
    app = Starlette(routes=[*TempoApi(reader, lambda: shop.NOW, "0").routes(), *JaegerApi(reader, lambda: shop.NOW).routes()])
    different = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        for text in QUERIES:
            wanted = {(body["trace_id"], body["span_id"]) for body in bodies if holds(parse(text).condition, body)}
            end = shop.NOW // shop.SECOND + 1
            asked = urlencode({"q": text, "start": end - 3600, "end": end, "limit": 100, "spss": 100})
            answer = await client.get(f"/tempo/api/search?{asked}")
            assert answer.status_code == 200, answer.text
            spans = [
                (trace["traceID"], span["spanID"]) for trace in answer.json()["traces"] for span in trace["spanSet"]["spans"]
            ]
            if set(spans) != wanted or len(spans) != len(wanted) or not wanted:
                different.append((text, len(wanted), len(spans)))
        for path in (*cases.SEARCHES, *cases.SEARCHES_V3):
            found = ids_of((await client.get(f"/jaeger/api/{path}")).json())
            if found != THEIRS[path]:
                different.append((path, len(THEIRS[path]), len(found)))
        services = (await client.get("/jaeger/api/services")).json()["data"]
    assert different == []
    assert services == ["checkout", "frontend", "odd/service", "payment", "shipping"]
