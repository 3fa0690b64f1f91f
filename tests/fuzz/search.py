"""Searches of the console: a text is a condition, or refused with the place of its mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.search.filters import TooManyValuesError, filter_of
from dashboards.search.language import parse
from dashboards.search.tokens import SearchTextError
from dashboards.search.vocabulary import LOGS, SPANS
from dashboards.tempo_api.traceql.evaluate import holds
from stores.duckdb.attributes.postings import Indexed, attributes_of
from stores.duckdb.sql import count
from stores.store import Query
from telemetry.documents import Kind
from telemetry.documents.signals import span_document
from tests.fuzz.target import Target
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from stores.store import Filter

SEEDS = (
    b"service=payment and duration>500ms and http.response.status_code>=500",
    b"not (status=error or kind=client) and resource.user!=\"a b\" 'quoted \\' word'",
    b"user=~'(ann|lee).*' || span.tags !~ x && absent=nil and x!=nil",
    b"trace_id=0102030405060708090a0b0c0d0e0f10 span_id=b1 parent_span_id!=0",
    b"severity>=warn and text=refused and order<=2.5 card",
    b"name=GET scope.name=a status.message='x' log.a=true",
)
_WORDS = (
    b"and", b"or", b"not", b"=", b"!=", b"=~", b"!~", b"<=", b">=", b"(", b")", b'"', b"'", b"\\", b"nil", b"service",
    b"status", b"duration", b"kind", b"severity", b"text", b"trace_id", b"resource.", b"span.", b"1e999", b"9" * 20, b"500ms",
    b"0x", b"nan", b"\xc3\xbc",
)  # fmt: skip

_SPANS = [span_document(span).body for spans in traces(2) for span in spans]


async def _values(_path: str, _limit: int, /) -> Sequence[str]:
    return ["payment", "503", "true", ""]


def _result(asked: Coroutine[None, None, Filter]) -> Filter:
    """Of a coroutine that waits for nothing."""
    try:
        asked.send(None)
    except StopIteration as done:
        found: Filter = done.value
        return found
    raise AssertionError("it waits")


def _check_place(error: SearchTextError, text: str) -> None:
    assert 0 <= error.at <= len(text), "the mistake is outside of the text"
    assert error.length > 0 or error.at == len(text), "the mistake has no length"


def run(data: bytes) -> None:
    """A text in both vocabularies, as a condition on spans and as SQL."""
    text = data.decode("utf-8", "replace")
    for vocabulary, kind in ((SPANS, Kind.SPAN), (LOGS, Kind.LOG)):
        try:
            condition = parse(text, vocabulary)
        except SearchTextError as error:
            _check_place(error, text)
            continue
        for span in _SPANS if kind is Kind.SPAN else ():
            holds(condition, span)
        try:
            found = _result(filter_of(condition, _values))
        except TooManyValuesError:
            continue
        sql, parameters = count(Query(kind, [found]), Indexed(5, dict.fromkeys(attributes_of(Query(kind, [found]))[:1], 9)))
        assert sql.count("?") == len(parameters), "the question has other parameters than it names"


TARGETS = (Target("searches", run, SEEDS, _WORDS, 200e-6, 4096),)
