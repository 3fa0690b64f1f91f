"""Exceptions of a service, grouped by type, message and operation: of its newest spans with an error."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from stores.layout import value_at
from stores.store import Equals
from telemetry.resource import UNKNOWN_SERVICE, service_of, text_of

if TYPE_CHECKING:
    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Query
    from telemetry.documents import Body

MAX_EXAMINED, MAX_GROUPS = 500, 100
MAX_TEXT, MAX_STACK = 500, 20_000

_VARIES = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")


class ExceptionKind(BaseModel):
    """Exceptions that differ in numbers and ids at most. What is not counted is that of their newest."""

    type: str = Field(description="`exception.type`; else `error.type`; else empty")
    message: str
    operation: str
    count: int
    last_seen: int
    trace_id: str
    span_id: str
    stacktrace: str | None


async def exception_groups(reads: BoundedReads, query: Query, service: str) -> tuple[list[ExceptionKind], int]:
    """The groups, the most frequent first, and how many spans with an error were read.

    Raises:
        StoreError: the store does not answer.
    """
    failed = replace(query, where=[*query.where, Equals("status.code", "Error")], descending=True, limit=MAX_EXAMINED)
    spans, _ = await reads.as_many(failed)
    own = [span for span in spans if _service(span) == service]
    groups: dict[tuple[str, str, str], ExceptionKind] = {}
    for span in own:
        for group in _exceptions(span):
            key = group.type, _VARIES.sub("#", group.message), group.operation
            known = groups.get(key)
            if known is None:
                groups[key] = group
            else:
                known.count += 1
    found = sorted(groups.values(), key=lambda group: (-group.count, -group.last_seen, group.type, group.message))
    return found[:MAX_GROUPS], len(own)


def _exceptions(span: Body) -> list[ExceptionKind]:
    """Those of a span; what its status says where there are none."""
    attributes = span.get("attributes") or {}
    thrown = [event["attributes"] for event in span.get("events") or () if event.get("name") == "exception"]
    if not thrown:
        message = text_of((span.get("status") or {}).get("message"))
        thrown = [{"exception.type": attributes.get("error.type"), "exception.message": message}]
    return [
        ExceptionKind(
            type=text_of(of.get("exception.type"))[:MAX_TEXT],
            message=text_of(of.get("exception.message"))[:MAX_TEXT],
            operation=text_of(span.get("name"))[:MAX_TEXT],
            count=1,
            last_seen=span["@timestamp"],
            trace_id=text_of(span.get("trace_id")),
            span_id=text_of(span.get("span_id")),
            stacktrace=text_of(of.get("exception.stacktrace"))[:MAX_STACK] or None,
        )
        for of in thrown
    ]


def _service(span: Body) -> str:
    resource = value_at(span, ("resource", "attributes"))
    attributes = resource if isinstance(resource, dict) else {}
    return service_of(text_of(attributes.get("service.name")) or UNKNOWN_SERVICE, text_of(attributes.get("service.namespace")))
