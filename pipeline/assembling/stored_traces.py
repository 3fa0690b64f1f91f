"""Closed traces as they are to be published: alone, or joined with what the store has of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from processors.assembly.assembler import LogReference, is_full
from processors.assembly.reconcile import merge_trace, publish_trace, store_only
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Sequence

    from processors.assembly.assembler import OpenTrace
    from processors.assembly.reconcile import Drawing, Publication
    from telemetry.documents import Body

    Find = Callable[[Kind, list[str]], Awaitable[list[Body]]]
    """The stored documents of a kind that belong to some traces."""


async def publications(
    traces: Sequence[OpenTrace], find: Find, drawn: Container[bytes], drawing: Drawing, *, after_a_start: bool = False
) -> list[Publication]:
    """Each trace as it is to be published.

    Args:
        traces: that closed.
        find: asks the store.
        drawn: traces of which this process has drawn all that is stored, and counts their hops.
        drawing: with what those are drawn of which nothing is stored.
        after_a_start: nothing has been stored yet: a crash may have come between spans and hops, and the version that wrote
            those spans may have given them other ids.
    """
    ids = [trace.trace_id.hex() for trace in traces]
    # A crash may have come after the hops and before the trace: such hops may have to be retracted.
    stored_traces, stored_hops = await asyncio.gather(find(Kind.TRACE, ids), find(Kind.HOP, ids))
    left = await find(Kind.SPAN, ids) if after_a_start else []
    known = {body["trace_id"] for body in (*stored_traces, *stored_hops, *left)}
    if not known:
        return [_first(trace, drawing) for trace in traces]
    full = {body["trace_id"]: body["revision"] for body in stored_traces if _is_full(body)}
    grow = sorted(known - full.keys())
    stored_spans, stored_logs = (await find(Kind.SPAN, grow), await find(Kind.LOG, grow)) if grow else ([], [])
    of_trace, hops, spans, logs = map(_by_trace, (stored_traces, stored_hops, stored_spans, stored_logs))
    published = []
    for trace, trace_id in zip(traces, ids, strict=True):
        if trace_id in full:
            # Who drew it counts its hops; after a crash that may have to be done again, once.
            counted = [] if trace.trace_id in drawn else hops.get(trace_id, [])
            published.append(store_only(trace, full[trace_id], counted))
        elif trace_id in known:
            references = [
                LogReference(trace.trace_id, body["_id"], body["@timestamp"], body["severity_number"])
                for body in logs.get(trace_id, [])
            ]
            published.append(
                merge_trace(
                    trace,
                    traces=of_trace.get(trace_id, []),
                    spans=spans.get(trace_id, []),
                    hops=hops.get(trace_id, []),
                    logs=references,
                )
            )
        else:
            published.append(_first(trace, drawing))
    return published


def _is_full(body: Body) -> bool:
    return bool(body.get("full")) or is_full(body["span_count"] + body["logs"]["count"])


def _first(trace: OpenTrace, drawing: Drawing) -> Publication:
    if trace.spans or trace.logs or trace.exemplars:
        return publish_trace(trace, drawing)
    # The span that received the message came before its link target (see `pipeline.rekey`): it could not be stored.
    return store_only(trace, 0, [])


def _by_trace(bodies: Iterable[Body]) -> dict[str, list[Body]]:
    found: dict[str, list[Body]] = {}
    for body in bodies:
        found.setdefault(body["trace_id"], []).append(body)
    return found
