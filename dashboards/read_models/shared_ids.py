"""The stored spans and log records of a trace, each with an id of its own where spans share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.call_graph.shared_ids import apart
from telemetry.documents.read_back import span_from_body
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Body


def with_own_ids(spans: Sequence[Body], logs: Sequence[Body]) -> tuple[list[Body], list[Body]]:
    """Span and log documents by the ids that the trace's hops and critical path name; see `processors.call_graph.shared_ids`.

    A span that two versions have stored under two ids is there once.
    """
    by_key = {span.key: (body, span) for body, span in ((body, span_from_body(body)) for body in reversed(spans))}
    kept = list(reversed(by_key.values()))
    separate, shared = apart([span for _, span in kept])
    found: list[Body] = []
    moved: dict[tuple[str, str], str] = {}  # shared id and service -> own id
    for (body, sent), span in zip(kept, separate, strict=True):
        if span is sent:
            found.append(body)
            continue
        ids = {"span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex()}
        found.append({**body, **{name: value for name, value in ids.items() if value}})
        if span.span_id in shared:
            moved[sent.span_id.hex(), span.service] = span.span_id.hex()
    if not moved:
        return found, list(logs)
    return found, [log | {"span_id": moved.get(_place(log), log.get("span_id", ""))} for log in logs]


def _place(log: Body) -> tuple[str, str]:
    return log.get("span_id", ""), Resource(log["resource"]["attributes"]).service
