"""Values of the records that shapes and culprits are learned from: traces as visits, log lines as templates.

Encoded once, by the stage that has spans or text; who reads them needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
from pydantic import ConfigDict, Field, TypeAdapter

from pipeline.exchange.codec import MAX_NAME, AnyId, TraceId, Whole, read
from processors.call_graph.visits import Visit, events_of
from processors.root_cause.sampled_trace import SampledTrace, TemplatedLine, sampled_trace
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.exchange.codec import LogLine
    from processors.detectors.log_templates import LogTemplates
    from telemetry.spans import Span

Index = Annotated[int, Field(ge=-1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Events = list[tuple[str, str, Count]]
_Visit = tuple[str, str, str, Index, Whole, Whole, Whole, Whole, _Events, list[AnyId], str]
_STRICT = ConfigDict(strict=True)
_TRACES = TypeAdapter(list[tuple[TraceId, Whole, Whole, bool, Annotated[list[_Visit], Field(min_length=1)]]], config=_STRICT)

MAX_TEMPLATE = 64
"""Characters of a template's id; ours have 16."""

MAX_QUOTED = 4096
"""Characters of a quoted template. Ours are made of the first 1000 of a line and 200 of an example; stage 4 keeps thousands."""

_Template = Annotated[str, Field(max_length=MAX_TEMPLATE)]
_Name = Annotated[str, Field(max_length=MAX_NAME)]
_Line = tuple[_Name, TraceId, AnyId, _Template, Whole, Whole]
_LINES = TypeAdapter(tuple[dict[_Template, Annotated[str, Field(max_length=MAX_QUOTED)]], list[_Line]], config=_STRICT)


def encode_traces(traces: Iterable[SampledTrace]) -> bytes:
    """The value of a TRACES record."""
    return orjson.dumps(
        [
            (trace.trace_id.hex(), trace.start, trace.end, trace.is_whole, [_visit(visit) for visit in trace.visits])
            for trace in traces
        ]
    )


def _visit(visit: Visit) -> tuple[object, ...]:
    most: dict[tuple[str, str], int] = {}  # of an event that came four times there are four: the last says it all
    for kind, name, times in visit.events:
        most[kind, name] = max(times, most.get((kind, name), 0))
    events = sorted((kind, name, times) for (kind, name), times in most.items())
    span_ids = [span_id.hex() for span_id in visit.span_ids]
    return (*visit[:8], events, span_ids, visit.environment)


def decode_traces(value: bytes) -> list[SampledTrace]:
    """Inverse of `encode_traces`.

    Raises:
        DecodeError: it is no such value, or a visit comes before the one that called it.
    """
    traces = read(_TRACES, value)
    return [
        SampledTrace(bytes.fromhex(trace_id), start, end, whole, _visits(number, visits))
        for number, (trace_id, start, end, whole, visits) in enumerate(traces)
    ]


def _visits(trace: int, visits: list[_Visit]) -> tuple[Visit, ...]:
    found = []
    for number, visit in enumerate(visits):
        service, operation, instance, parent, start, duration, self_time, gap, events, span_ids, environment = visit
        if parent >= number:
            raise DecodeError(f"[{trace}][4][{number}][3]", f"{parent} is no visit before this one")
        counts = {(kind, name): times for kind, name, times in events}
        own = frozenset(events_of(counts)), tuple(map(bytes.fromhex, span_ids))
        found.append(Visit(service, operation, instance, parent, start, duration, self_time, gap, *own, environment))
    return tuple(found)


def encode_lines(lines: Iterable[TemplatedLine]) -> bytes:
    """The value of a LOG_TEMPLATES record: how each template is quoted, and the lines."""
    lines = list(lines)
    return orjson.dumps(
        (
            {line.template: line.quoted for line in lines},
            [
                (
                    line.environment[:MAX_NAME],
                    line.trace_id.hex(),
                    line.span_id.hex(),
                    line.template,
                    line.time,
                    line.severity,
                )
                for line in lines
            ],
        )
    )


def decode_lines(value: bytes) -> list[TemplatedLine]:
    """Inverse of `encode_lines`.

    Raises:
        DecodeError: it is no such value, or a template is quoted nowhere.
    """
    quoted, lines = read(_LINES, value)
    missing = next((template for _, _, _, template, _, _ in lines if template not in quoted), None)
    if missing is not None:
        raise DecodeError("[1]", f"template {missing[:40]!r} is quoted nowhere")
    return [
        TemplatedLine(environment, bytes.fromhex(trace_id), bytes.fromhex(span_id), template, quoted[template], time, severity)
        for environment, trace_id, span_id, template, time, severity in lines
    ]


def traces_of(spans: Iterable[Span]) -> list[SampledTrace]:
    """What a SPANS record to stages 3 and 4 holds: releases before TRACES sent the sample as spans."""
    found: dict[bytes, list[Span]] = {}
    for span in spans:
        found.setdefault(span.trace_id, []).append(span)
    return [sampled_trace(own) for own in found.values()]


def lines_of(lines: Iterable[LogLine], templates: LogTemplates) -> list[TemplatedLine]:
    """What a LOGS record to stage 4 holds: releases before LOG_TEMPLATES sent the text, to be mined once more."""
    found = []
    for line in lines:
        environment = line.environment or DEFAULT_ENVIRONMENT
        template = templates.add(line.service, line.text, environment)
        if line.trace_id:
            quoted = templates.quoted(template)
            found.append(TemplatedLine(environment, line.trace_id, line.span_id, template, quoted, line.time, line.severity))
    return found
