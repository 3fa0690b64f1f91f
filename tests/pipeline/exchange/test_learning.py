"""What shapes and culprits are learned from says the same on both ends of the log, and nothing else is accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.exchange.codec import MAX_NAME, LogLine
from pipeline.exchange.learning import (
    MAX_QUOTED,
    MAX_TEMPLATE,
    decode_lines,
    decode_traces,
    encode_lines,
    encode_traces,
    lines_of,
    traces_of,
)
from processors.call_graph.visits import visits_of
from processors.detectors.log_templates import LogTemplates
from processors.root_cause.sampled_trace import TemplatedLine, sampled_trace
from telemetry.errors import DecodeError
from telemetry.resource import Resource
from telemetry.spans import SpanEvent, StatusCode
from tests.processors.traces import CLIENT, SERVER, span, traces

if TYPE_CHECKING:
    from telemetry.spans import Span

many = st.builds(
    lambda spans, errors, exceptions: [
        replace(
            one, status=StatusCode.ERROR if errors else one.status, events=(SpanEvent(one.start, "exception"),) * exceptions
        )
        for one in spans
    ],
    traces(),
    st.booleans(),
    st.integers(0, 40),
)
ids = st.binary(min_size=16, max_size=16)
lines = st.builds(
    TemplatedLine,
    st.text(max_size=5),
    ids,
    st.binary(max_size=8),
    st.sampled_from("ab"),
    st.just("quoted"),
    st.integers(0, 2**63 - 1),
    st.integers(0, 24),
)


@given(st.lists(many, max_size=3))
def test_traces_come_back(sample: list[list[Span]]) -> None:
    sent = [sampled_trace(spans) for spans in sample]
    assert decode_traces(encode_traces(sent)) == sent


@given(st.lists(lines, max_size=5))
def test_lines_come_back(sent: list[TemplatedLine]) -> None:
    assert decode_lines(encode_lines(sent)) == sent


@given(many)
def test_the_parts_of_a_trace_in_environments_are_all_of_it(spans: list[Span]) -> None:
    placed = [
        replace(one, resource=Resource({**one.resource.attributes, "deployment.environment.name": name}))
        for one, name in zip(spans, ["a", "b", "a"] * len(spans), strict=False)
    ]
    whole = sampled_trace(placed)
    parts = list(whole.by_environment())
    assert [{visit.environment for visit in part.visits} for part in parts] == [
        {name} for name in dict.fromkeys(visit.environment for visit in whole.visits)
    ]
    for part in parts:
        assert (part.trace_id, part.is_whole) == (whole.trace_id, whole.is_whole)
        own = [visit for visit in whole.visits if visit.environment == part.visits[0].environment]
        assert [visit._replace(parent=0) for visit in part.visits] == [visit._replace(parent=0) for visit in own]
        for visit, original in zip(part.visits, own, strict=True):
            caller = whole.visits[original.parent] if original.parent >= 0 else None
            inside = caller is not None and caller.environment == visit.environment
            assert (part.visits[visit.parent] if visit.parent >= 0 else None) == (
                part.visits[own.index(caller)] if inside and caller is not None else None
            )


def test_a_trace_in_one_environment_is_one_part() -> None:
    trace = sampled_trace([span(1, 0, "shop", SERVER, 0, 9), span(2, 1, "cart", CLIENT, 1, 5)])
    assert list(trace.by_environment()) == [trace]


def test_what_releases_before_sent_as_spans_and_text_says_the_same() -> None:
    first = [span(1, 0, "shop", SERVER, 0, 9), span(2, 1, "cart", SERVER, 1, 5)]
    (trace,) = traces_of(first[::-1])
    assert (trace.visits, trace.start, trace.end, trace.is_whole) == (tuple(visits_of(first)), 0, 9, True)
    line = LogLine("cart", "cart-1", "", 5, 17, "card 17 refused", b"t" * 16, b"s" * 8)
    alone = LogLine("cart", "cart-1", "test", 6, 9, "hello")
    (found,) = lines_of([line, alone], LogTemplates())
    assert found[:3] == ("default", b"t" * 16, b"s" * 8)
    assert found.quoted == "'card <*> refused' (such as 'card 17 refused')"


VISIT = ["shop", "GET /", "", -1, 0, 9, 9, -1, [], [], "default"]
TRACE = ["0" * 31 + "1", 0, 9, True, [VISIT]]


@pytest.mark.parametrize(
    "value",
    [
        b"?",
        b"{}",
        orjson.dumps([[*TRACE[:4], []]]),
        orjson.dumps([[*TRACE[:4], [[*VISIT[:3], 0, *VISIT[4:]]]]]),
        orjson.dumps([[*TRACE[:4], [[*VISIT[:3], -2, *VISIT[4:]]]]]),
        orjson.dumps([[*TRACE[:4], [[*VISIT[:8], [["log", "a", 0]], [], "default"]]]]),
        orjson.dumps([["xyz", *TRACE[1:]]]),
        orjson.dumps([[*TRACE[:4], [[5, *VISIT[1:]]]]]),
    ],
)
def test_traces_that_nobody_of_ours_wrote_are_refused(value: bytes) -> None:
    assert decode_traces(orjson.dumps([TRACE]))
    with pytest.raises(DecodeError):
        decode_traces(value)


LINE = ["default", "0" * 32, "", "a", 5, 9]


@pytest.mark.parametrize("value", [b"?", b"[]", [{}, [LINE]], [{"a": 5}, [LINE]], [{"a": "b"}, [LINE[:5]]]])
def test_lines_that_nobody_of_ours_wrote_are_refused(value: Any) -> None:
    assert decode_lines(orjson.dumps([{"a": "b"}, [LINE]]))
    with pytest.raises(DecodeError):
        decode_lines(value if isinstance(value, bytes) else orjson.dumps(value))


@pytest.mark.parametrize(
    ("quoted", "line"),
    [
        ({"a": "q" * (MAX_QUOTED + 1)}, LINE),
        ({"a" * (MAX_TEMPLATE + 1): "q"}, [*LINE[:3], "a" * (MAX_TEMPLATE + 1), *LINE[4:]]),
        ({"a": "q"}, ["e" * (MAX_NAME + 1), *LINE[1:]]),
    ],
)
def test_stage_4_keeps_no_text_that_is_longer_than_what_is_sent_to_it(quoted: dict[str, str], line: list[object]) -> None:
    with pytest.raises(DecodeError):
        decode_lines(orjson.dumps([quoted, [line]]))


@given(st.lists(st.sampled_from(["1;", "1 ", "a", "\U0001f600", "<*>", "'"]), min_size=300, max_size=1000))
def test_no_template_is_quoted_too_long_to_be_sent(parts: list[str]) -> None:
    text = "".join(parts)
    (found,) = lines_of([LogLine("cart", "", "", 5, 17, text, b"t" * 16), LogLine("cart", "", "", 5, 17, "")], LogTemplates())
    assert decode_lines(encode_lines([found])) == [found]


def test_a_trace_in_many_environments_is_divided_in_time_that_grows_with_it() -> None:
    count = 5_000  # 40 times as long where each environment looks at all visits
    (trace,) = decode_traces(orjson.dumps([[*TRACE[:4], [[*VISIT[:10], f"e{number}"] for number in range(count)]]]))
    looked = 0

    class Counted(tuple[Any, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            nonlocal looked
            looked += len(self)
            return super().__iter__()

    assert len(list(trace._replace(visits=Counted(trace.visits)).by_environment())) == count
    assert looked <= 3 * count
