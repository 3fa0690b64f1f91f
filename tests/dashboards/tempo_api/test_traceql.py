"""TraceQL: what is written is what is meant, what is asked of the store misses nothing, what is not here is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboards.tempo_api.traceql.evaluate import holds
from dashboards.tempo_api.traceql.parser import parse, parse_field
from dashboards.tempo_api.traceql.question import filters_of
from dashboards.tempo_api.traceql.syntax import (
    KINDS,
    STATUSES,
    Always,
    Attribute,
    AttributeScope,
    Both,
    Comparison,
    Either,
    Intrinsic,
    LogField,
    Negated,
    Operator,
    SpanSelection,
    TraceField,
    Value,
    ValueType,
)
from dashboards.tempo_api.traceql.tokens import MAX_LENGTH, TraceQLError
from stores.store import Query
from telemetry.documents import Kind
from tests.dashboards import shop

if TYPE_CHECKING:
    from dashboards.tempo_api.traceql.syntax import Condition, Field
    from stores.duckdb.store import DuckDbStore
    from telemetry.documents import Body

NAMES = ("http.route", "db.system.name", "service.name", "a-b/c", "with space", 'q"uote', "größe", "absent")
TEXTS = ("/buy", "sqlite", "payment", "", 'a"b\\c\n', "größe 🛰", "POST /buy")
EQUALITY, ORDER = (Operator.EQUAL, Operator.NOT_EQUAL), (Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST)
REGEX = (Operator.REGEX, Operator.NOT_REGEX)


def values(type_: ValueType) -> st.SearchStrategy[Value]:
    made: dict[ValueType, st.SearchStrategy[Any]] = {
        ValueType.STRING: st.sampled_from(TEXTS),
        ValueType.INT: st.sampled_from([0, 1, 200, -3, 2**63 - 1]) | st.integers(-(2**63), 2**63 - 1),
        ValueType.FLOAT: st.floats(-1e15, 1e15).map(lambda one: round(one, 3)),
        ValueType.BOOL: st.booleans(),
        ValueType.NIL: st.none(),
        ValueType.DURATION: st.sampled_from([0, 1, 25_000_000, 60_000_000, 400_000_000]) | st.integers(0, 10**15),
        ValueType.STATUS: st.sampled_from(STATUSES),
        ValueType.KIND: st.sampled_from(KINDS),
    }
    return made[type_].map(lambda value: Value(type_, value))


def comparison(field: Field, *types: ValueType, order: bool = False, regex: bool = False) -> st.SearchStrategy[Comparison]:
    def of(type_: ValueType) -> st.SearchStrategy[Comparison]:
        operators: tuple[Operator, ...] = EQUALITY
        if order and type_ in {ValueType.INT, ValueType.FLOAT, ValueType.DURATION, ValueType.STRING}:
            operators += ORDER
        return st.builds(Comparison, st.just(field), st.sampled_from(operators), values(type_))

    found = st.sampled_from(types).flatmap(of)
    if regex:
        patterns = st.sampled_from(["/buy|/other", ".*", "p.y(ment)?", "POST /buy|x", "[a-z]+", ""])
        patterned = st.builds(
            Comparison, st.just(field), st.sampled_from(REGEX), patterns.map(lambda text: Value(ValueType.STRING, text))
        )
        found |= patterned
    return found


ATTRIBUTES = st.builds(Attribute, st.sampled_from(AttributeScope), st.sampled_from(NAMES))
ANY_VALUE = (ValueType.STRING, ValueType.INT, ValueType.FLOAT, ValueType.BOOL, ValueType.NIL, ValueType.DURATION)
COMPARISONS = (
    ATTRIBUTES.flatmap(lambda field: comparison(field, *ANY_VALUE, order=True, regex=True))
    | comparison(Intrinsic.NAME, ValueType.STRING, ValueType.NIL, order=True, regex=True)
    | comparison(Intrinsic.DURATION, ValueType.DURATION, ValueType.INT, order=True)
    | comparison(Intrinsic.STATUS, ValueType.STATUS)
    | comparison(Intrinsic.KIND, ValueType.KIND)
    | comparison(Intrinsic.EVENT_NAME, ValueType.STRING)
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    COMPARISONS | st.builds(Always, st.booleans()),
    lambda inner: st.builds(Both, inner, inner) | st.builds(Either, inner, inner) | st.builds(Negated, inner),
    max_leaves=8,
)
BARE = str.maketrans(dict.fromkeys(' "\\'))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def operand(written: Field | Value) -> str:
    match written:
        case Attribute(scope, name):
            return f"{scope}.{name if name == name.translate(BARE) else quoted(name)}"
        case Intrinsic() | LogField() | TraceField():
            return str(written)
        case Value(ValueType.STRING, value):
            return quoted(str(value))
        case Value(_, float(value)):
            return f"{value:.3f}"
        case Value(type_, value):
            return {ValueType.DURATION: f"{value}ns", ValueType.NIL: "nil"}.get(type_, str(value).lower())


def written(condition: Condition, space: str) -> str:
    """A condition as somebody may write it, with as many parentheses as it may need."""
    match condition:
        case Comparison(field, operator, value):
            return space.join((operand(field), str(operator), operand(value)))
        case Both(left, right) | Either(left, right):
            joined = "&&" if isinstance(condition, Both) else "||"
            return space.join((f"({written(left, space)})", joined, f"({written(right, space)})"))
        case Negated(inner):
            return f"!{space}({written(inner, space)})"
        case Always(value=truth):
            return str(truth).lower()


@given(CONDITIONS, st.sampled_from(["", " ", "\n  "]))
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_what_is_parsed(condition: Condition, space: str) -> None:
    text = "{" + space + written(condition, space) + space + "}"
    assert parse(text) == SpanSelection(condition)


SPANS = [document.body for document in shop.documents() if document.kind is Kind.SPAN]


@given(CONDITIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.asyncio(loop_scope="module")
async def test_the_store_is_asked_for_no_less_than_what_matches(stored: DuckDbStore, condition: Condition) -> None:
    wanted = {(span["trace_id"], span["span_id"]) for span in SPANS if holds(condition, span)}
    found = await stored.find(Query(Kind.SPAN, filters_of(condition), limit=10_000))
    assert wanted <= {(span["trace_id"], span["span_id"]) for span in found}


@given(st.text(st.sampled_from(list('{}()|&=!<>~"`\\.,:- \nspan.resource0123456789durationmsé🛰')), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_query_or_refused_with_its_place(text: str) -> None:
    said = ""
    try:
        parse(text)
    except TraceQLError as error:
        said = str(error)
    assert not said or said.startswith("invalid TraceQL query: line ")


SPAN: Body = {
    "trace_id": "00" * 7 + "ab" * 9,
    "span_id": "00000000000000cd",
    "name": "GET /cart",
    "kind": "Server",
    "start": 5,
    "duration": 1_500_000,
    "status": {"code": "Error", "message": "broken"},
    "attributes": {"code": 500, "ratio": 0.5, "ok": True, "tags": ["a", "b"], "both": "span", "text": "500"},
    "resource": {"attributes": {"service.name": "cart", "both": "resource"}},
    "scope": {"name": "lib"},
    "events": [{"name": "exception", "attributes": {"type": "E"}}, {"name": "retry", "attributes": {}}],
    "links": [{"trace_id": "ef" * 16, "span_id": "01" * 8, "attributes": {"why": "batch"}}],
}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ true }",
        "{ !(false) }",
        '{ name = "GET /cart" }',
        "{ duration > 1ms && duration < 2ms }",
        "{ duration >= 1.5ms }",
        "{ span:duration = 1500us }",
        "{ duration = 1500000 }",
        "{ 1ms < duration }",
        "{ status = error && kind = server }",
        "{ status != ok }",
        '{ statusMessage =~ "bro.*" }',
        "{ span.code >= 500 && span.code < 600 }",
        "{ span.code = 500.0 }",
        "{ .ratio < 1 }",
        "{ .ok }",
        "{ .ok = true }",
        '{ .both = "span" && resource.both = "resource" }',
        '{ span.tags = "b" && span.tags != "c" }',
        '{ resource.service.name =~ "cart|other" }',
        '{ span.code = 404 || resource.service.name = "cart" }',
        "{ span.absent = nil && span.code != nil }",
        '{ event:name = "exception" && event.type = "E" }',
        '{ link:traceID = "' + "ef" * 16 + '" && link.why = "batch" }',
        '{ span:id = "cd" }',
        '{ trace:id = "' + "ab" * 9 + '" }',
        '{ instrumentation:name = "lib" }',
        '{ span.text = "500" }',
        "{ .code = 404 } || { .code = 500 }",
        "{ .code = 500 } | select(span.code, resource.service.name)",
        "{ span:parentID = nil }",
        '{ span."code" = 500 }',
        "{ name = `GET /cart` }",
    ],
)
def test_a_span_that_meets_it(text: str) -> None:
    assert holds(parse(text).condition, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "{ false }",
        '{ name = "GET" }',
        '{ name =~ "GET" }',  # the whole text has to match
        "{ duration > 1.5ms }",
        "{ status = unset }",
        '{ span.code = "500" }',
        "{ span.text = 500 }",
        '{ span.absent != "x" }',  # what is not there is not compared
        "{ span.service.name = `cart` }",
        '{ .both = "resource" }',
        '{ span.tags != "a" }',
        "{ .ok = false }",
        '{ event:name = "x" }',
        "{ !(span.code = 500) }",
    ],
)
def test_a_span_that_does_not(text: str) -> None:
    assert not holds(parse(text).condition, SPAN)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "col 1", "unexpected end of the query, expected {"),
        ("name = `a`", "col 1", "unexpected 'name', expected {"),
        ("{ name = `a`", "col 13", "unexpected end of the query, expected }"),
        ('{ name = "a }', "col 10", "the text does not end"),
        ("{ name = 'a' }", "col 10", "write texts in double quotes"),
        ("{ http.route = `a` }", "col 3", "unknown field http: attributes begin with span., resource."),
        ("{ name = 5 }", "col 3", "name is compared with a string, not with a int"),
        ("{ status = server }", "col 3", "status is compared with a status, not with a kind"),
        ("{ duration = `a` }", "col 3", "duration is compared with a duration"),
        ("{ status > ok }", "col 3", "a status has no order"),
        ("{ span.a =~ 5 }", "col 3", "=~ needs a text"),
        ("{ span.a =~ `(` }", "col 3", "missing )"),
        ("{ span.a = span.b }", "col 3", "a comparison is of a field with a value"),
        ("{ 1 = 1 }", "col 3", "a comparison is of a field with a value"),
        ("{ span.a + 1 > 2 }", "col 10", "arithmetic (+) is not supported"),
        ("{ rootServiceName = `a` }", "col 3", "fields of whole traces (rootServiceName) are not supported"),
        ("{ trace:rootName = `a` }", "col 3", "fields of whole traces (trace:rootName) are not supported"),
        ("{ parent.a = 1 }", "col 3", "attributes of the parent span"),
        ("{\n  name =\n}", "line 3, col 1", "unexpected '}', expected a field or a value"),
        ("{} && {}", "col 4", "conditions on several spans of a trace"),
        ("{} >> {}", "col 4", "structural operators (>>) are not supported"),
        ("{} | count() > 2", "col 6", "only select(...) is supported, not count"),
        ("{} | rate()", "col 6", "only select(...) is supported, not rate"),
        ("{} with (most_recent=true)", "col 4", "hints (with) are not supported"),
        ("({})", "col 1", "parentheses around {...} are not supported"),
        ("{ duration > 3000000h }", "col 14", "3000000h is longer than 292 years"),
        ("{ span.a = 9223372036854775808 }", "col 12", "has more than 64 bits"),
        ("{" + "(" * 60 + "true" + ")" * 60 + "}", "col 43", "more than 40 parentheses"),
        ("{" + " && ".join(["true"] * 101) + "}", "col", "more than 100 conditions"),
        ("{" + " " * MAX_LENGTH + "}", "col", f"more than {MAX_LENGTH} characters"),
        ('{ name = "\\q" }', "col 10", "unknown escape \\q"),
        ('{ name = "\\ud800" }', "col 10", "is no character"),
    ],
)
def test_what_is_wrong_or_not_here_is_refused_with_its_place_and_the_reason(text: str, place: str, reason: str) -> None:
    with pytest.raises(TraceQLError) as refused:
        parse(text)
    assert place in str(refused.value)
    assert reason in str(refused.value)


def test_a_field_alone_is_read_too() -> None:
    assert parse_field(".service.name") == Attribute(AttributeScope.EITHER, "service.name")
    assert parse_field("span:name") is Intrinsic.NAME
    with pytest.raises(TraceQLError, match="expected the end"):
        parse_field("name = 5")
