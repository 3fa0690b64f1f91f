"""What searches mean, where mistakes are said to be, and what is suggested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboards.search.language import MAX_CONDITIONS, MAX_DEPTH, parse
from dashboards.search.tokens import MAX_LENGTH, SearchTextError
from dashboards.search.vocabulary import LOGS
from dashboards.tempo_api.traceql.evaluate import holds
from dashboards.tempo_api.traceql.syntax import Always

if TYPE_CHECKING:
    from telemetry.documents import Body

SPAN: Body = {
    "trace_id": "a" * 32,
    "span_id": "00000000000000b1",
    "name": "POST /pay (now)",
    "kind": "Server",
    "duration": 750_000_000,
    "status": {"code": "Error", "message": "card refused"},
    "attributes": {
        "http.response.status_code": 503,
        "user": "ann lee",
        "retried": True,
        "ratio": 0.5,
        "zip": "0815",
        "tags": ["a", "b"],
    },
    "resource": {"attributes": {"service.name": "payment", "user": "hidden", "host.name": "h1"}},
    "scope": {"name": "io.spans"},
}

HOLDS = [
    "",
    "service=payment and duration>500ms and http.response.status_code>=500",
    "service=payment duration>500ms http.response.status_code>=500",
    "SERVICE=x or service = payment",
    "service=x or service=y or status=error",
    "not service=x",
    "!(service=x && status=ok) && kind=server",
    "service=x and status=error or kind=SERVER",
    'user="ann lee"',
    "user='ann lee'",
    "user!=hidden",
    "resource.user=hidden",
    "span.user=~'ann.*'",
    "http.response.status_code=503",
    "http.response.status_code!=200",
    "retried=true",
    "ratio=0.5 and ratio<0.6 and ratio>0.4 and ratio<=0.5",
    "zip=0815",
    "tags=b",
    "absent=nil and user!=nil",
    "payment",
    "PAY now",
    '"/pay (now)"',
    "a" * 32,
    "trace_id=" + "a" * 32,
    "span_id=b1",
    "status.message='card refused' and scope.name=io.spans",
    "duration=750ms and duration<=0.75s and duration<1h",
    '"user"="ann lee"',
]

DOES_NOT_HOLD = [
    "service=pay",
    "service=payment and duration>750ms",
    "not (service=payment or service=x)",
    "user=hidden",
    "absent!=5",
    "http.response.status_code>503",
    "user>5",
    "refund",
    "service=payment and (status=ok or kind=client)",
    "b" * 32,
]


@pytest.mark.parametrize("text", HOLDS)
def test_a_span_that_meets_the_search_is_found(text: str) -> None:
    assert holds(parse(text), SPAN)


@pytest.mark.parametrize("text", DOES_NOT_HOLD)
def test_a_span_that_does_not_meet_it_is_not(text: str) -> None:
    assert not holds(parse(text), SPAN)


@pytest.mark.parametrize(
    ("text", "at", "length", "did_you_mean"),
    [
        ("service=", 8, 1, ""),
        ("service= and status=ok", 9, 3, ""),
        ("status=eror", 7, 4, "error"),
        ("kind=sever", 5, 5, "server"),
        ("duration>500", 9, 3, "500ms"),
        ("duration>soon", 9, 4, ""),
        ("service:payment", 0, 15, "service=payment"),
        ("service=payment)", 15, 1, ""),
        ("(service=payment", 16, 1, ")"),
        ("service=payment and", 19, 1, ""),
        ("=payment", 0, 1, ""),
        ("x>big", 2, 3, ""),
        ("name>a", 0, 4, "name=a"),
        ("trace_id=xyz", 9, 3, ""),
        ("user=~'('", 6, 3, ""),
        ("duration=~5", 0, 8, ""),
        ('user="ann', 5, 4, ""),
        ("'ann", 0, 4, "'ann'"),
        ("anomaly.score=0.9", 0, 13, "anomaly.score>=0.9"),
        ("anomaly.score>90", 14, 2, ""),
        ("anomaly.score>high", 14, 4, ""),
        ("anomaly.score=~'.*'", 0, 13, ""),
    ],
)
def test_a_mistake_has_its_place_and_what_may_have_been_meant(text: str, at: int, length: int, did_you_mean: str) -> None:
    with pytest.raises(SearchTextError) as raised:
        parse(text)
    assert (raised.value.at, raised.value.length, raised.value.did_you_mean) == (at, length, did_you_mean), str(raised.value)
    assert f"character {at + 1}: " in str(raised.value)


def test_a_search_is_bounded_in_length_conditions_and_depth() -> None:
    parse(" ".join(["a"] * MAX_CONDITIONS))
    parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    for text in (
        " ".join(["a"] * (MAX_CONDITIONS + 1)),
        "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
        "a" * (MAX_LENGTH + 1),
    ):
        with pytest.raises(SearchTextError):
            parse(text)
    assert parse("  ") == Always()


def test_severities_of_logs_are_ranges_of_their_numbers() -> None:
    assert parse("severity>=warn", LOGS) != parse("severity>warn", LOGS)
    with pytest.raises(SearchTextError, match="did you mean error"):
        parse("severity=eror", LOGS)
