"""What is said of a trace beside its documents: how long its spans usually last, and why each made an edge or did not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from dashboards.read_models.clocks import by_root_clock
from dashboards.read_models.reader import within
from processors.call_graph.explain import explain
from processors.call_graph.span_links import link_targets_of
from stores.layout import SERVICE
from stores.store import BusyError, Equals, OneOf, Query, QueryTimeoutError
from telemetry.documents import Kind
from telemetry.documents.read_back import hop_from_body, span_from_body
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.otlp.encode import encode_spans
from telemetry.otlp.to_json import traces_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Filter, Reads
    from telemetry.documents import Body

USUAL_BEFORE = 24 * 3_600_000_000_000
"""Nanoseconds before a trace in which spans are compared with its own."""

LEAST_CALLS = 20
"""Spans of an operation of which a median is shown."""

MAX_OPERATIONS = 1_000
"""Operations of a trace that are looked up."""


async def with_details(reads: Reads, found: Body) -> Body:
    """A trace of `Reader.trace` with `usual` and `why` beside its spans, and its critical path by the root's clock.

    `usual` is the spread of the durations of the same service, operation and kind in the day before; it is absent where there
    are too few, and where the store does not count them in time.

    Raises:
        StoreError: the store does not answer.
    """
    spans = found["spans"]
    usual, over = await _usual(reads, spans)
    why = await asyncio.to_thread(_why, found)
    total = len(spans)
    if found["truncated"] and spans:
        total = max(total, await reads.count(Query(Kind.SPAN, [Equals("trace_id", spans[0]["trace_id"])])))
    shifted = any(span["adjusted"]["shift"] for span in spans)
    path = (await asyncio.to_thread(by_root_clock, spans, ()))[1] if shifted else None
    more = ({"usual": usual.get(_operation(span)), "why": why.get(span["span_id"])} for span in spans)
    detailed = [span | {name: value for name, value in one.items() if value} for span, one in zip(spans, more, strict=True)]
    return found | {"spans": detailed, "span_total": total, "usual_over": over, "critical_path_adjusted": path}


async def _usual(reads: Reads, spans: Sequence[Body]) -> tuple[dict[tuple[str, ...], Body], Body | None]:
    operations = list(dict.fromkeys(map(_operation, spans)))[:MAX_OPERATIONS]
    if not operations:
        return {}, None
    until = min(span["start"] for span in spans)
    since = max(0, until - USUAL_BEFORE)
    environments = {span.get("environment") or DEFAULT_ENVIRONMENT for span in spans}
    where: list[Filter] = [
        *(within(environments.pop()) if len(environments) == 1 else ()),
        OneOf(SERVICE, list({service for service, _, _ in operations})),
        OneOf("name", list({name for _, name, _ in operations})),
    ]
    query = Query(Kind.SPAN, where, since, until, limit=5 * MAX_OPERATIONS)
    try:
        spreads = await reads.aggregates.spreads(query, [SERVICE, "name", "kind"], "duration")
    except (QueryTimeoutError, BusyError):
        return {}, None
    usual = {
        spread.values: {"duration": spread.median, "p95": spread.p95, "calls": spread.documents}
        for spread in spreads
        if spread.documents >= LEAST_CALLS
    }
    return usual, {"since": since, "until": until}


def otlp_json(spans: Sequence[Body]) -> bytes:
    """Span documents as the JSON of an OTLP `TracesData`."""
    return orjson.dumps(traces_to_json(encode_spans(map(span_from_body, spans))))


def _operation(span: Body) -> tuple[str, str, str]:
    return str(span["resource"]["attributes"].get("service.name", "")), span["name"], span["kind"]


def _why(found: Body) -> dict[str, Body]:
    spans = [span_from_body(body) for body in found["spans"]]
    targets = link_targets_of(map(hop_from_body, found["hops"]))
    return {
        one.span_id.hex(): {
            "edge": bool(one.hops),
            "rules": [rule.name.lower() for rule in one.rules],
            "text": one.why,
            "hops": [hop.hex() for hop in one.hops],
        }
        for one in (explain(spans, targets.values()) if spans else ())
    }
