"""A large export request as several small ones, for a log that bounds its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.otlp.request import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableSequence

    from google.protobuf.message import Message
    from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics, ScopeMetrics
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

    from telemetry.otlp.request import Shape, Signal

    ResourceGroup = ResourceSpans | ResourceLogs | ResourceMetrics
    ScopeGroup = ScopeSpans | ScopeLogs | ScopeMetrics

_OVERHEAD = 24  # bytes: tags and lengths of an item and of the three messages around it, at most


def split(signal: Signal, request: Message, max_bytes: int) -> Iterator[bytes]:
    """Protobuf requests that together have the items of this one, in order, each with its resource and scope.

    None is larger than `max_bytes`, unless a single item with its resource and scope is. A metric is one item with all
    its points.
    """
    shape = SHAPES[signal]
    part = shape.message()
    size = 0
    for by_resource in getattr(request, shape.by_resource):
        for by_scope in getattr(by_resource, shape.by_scope):
            target: MutableSequence[Message] | None = None  # the items of this scope in the part under construction
            context = _context(shape, by_resource, by_scope)
            context_size = context.ByteSize()
            for item in getattr(by_scope, shape.items):
                item_size = item.ByteSize() + _OVERHEAD
                added = item_size if target is not None else item_size + context_size
                if size and size + added > max_bytes:
                    yield part.SerializeToString()
                    part, size, target = shape.message(), 0, None
                    added = item_size + context_size
                if target is None:
                    part.MergeFrom(context)
                    target = getattr(getattr(getattr(part, shape.by_resource)[-1], shape.by_scope)[-1], shape.items)
                target.append(item)
                size += added
    if size:
        yield part.SerializeToString()


def _context(shape: Shape, by_resource: ResourceGroup, by_scope: ScopeGroup) -> Message:
    """A request with this resource and scope and no item."""
    request = shape.message()
    own = getattr(request, shape.by_resource).add(schema_url=by_resource.schema_url)
    own.resource.CopyFrom(by_resource.resource)
    under = getattr(own, shape.by_scope).add(schema_url=by_scope.schema_url)
    under.scope.CopyFrom(by_scope.scope)
    return request
