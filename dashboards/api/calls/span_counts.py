"""What is known of services from their spans alone: that they exist, in which versions and instances, and since when not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stores.layout import ENVIRONMENT, INSTANCE, NAMESPACE, POD, SERVICE, SERVICE_VERSION
from stores.store import Aggregation, AllOf, AnyOf, Equals, Query
from telemetry.documents import Kind
from telemetry.resource import UNKNOWN_SERVICE, namespace_of, service_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Filter, Reads

MAX_GROUPS = 20_000

_BY = (ENVIRONMENT, NAMESPACE, SERVICE, "status.code", SERVICE_VERSION, POD, INSTANCE)


@dataclass(slots=True)
class Seen:
    """Spans that somebody sent: how many, how many with an error, the first and the last."""

    spans: int = 0
    errors: int = 0
    first: int = 0
    last: int = 0

    def add(self, documents: int, oldest: int, newest: int, *, failed: bool) -> None:
        """Add a group."""
        self.spans += documents
        self.errors += documents if failed else 0
        self.first = min(self.first or oldest, oldest)
        self.last = max(self.last, newest)

    def __add__(self, other: Seen) -> Seen:
        """Both together."""
        return Seen(
            self.spans + other.spans, self.errors + other.errors, min(self.first, other.first), max(self.last, other.last)
        )


@dataclass(slots=True)
class SpanCounts:
    """Spans of a service, by instance and version (of spans that say them), and by version."""

    whole: Seen = field(default_factory=Seen)
    instances: dict[tuple[str, str], Seen] = field(default_factory=dict)
    versions: dict[str, Seen] = field(default_factory=dict)


async def span_counts(reads: Reads, since: int, until: int, where: Sequence[Filter] = ()) -> dict[tuple[str, str], SpanCounts]:
    """Counts by environment and service.

    Raises:
        StoreError: the store does not answer.
    """
    query = Query(Kind.SPAN, where, since, until, limit=MAX_GROUPS)
    counts: dict[tuple[str, str], SpanCounts] = {}
    for group in await reads.totals(Aggregation(query, _BY)):
        environment, namespace, name, status, version, pod, instance = group.key
        own = counts.setdefault((environment, service_of(name or UNKNOWN_SERVICE, namespace)), SpanCounts())
        seen = [own.whole]
        if pod or instance:
            seen.append(own.instances.setdefault((pod or instance, version), Seen()))
        if version:
            seen.append(own.versions.setdefault(version, Seen()))
        for one in seen:
            one.add(group.documents, group.oldest, group.newest, failed=status == "Error")
    return counts


def of_service(service: str) -> Filter:
    """The condition of spans for being of a service by what it is called."""
    namespace = namespace_of(service)
    if not namespace:
        return Equals(SERVICE, service)
    name = service.removeprefix(f"{namespace}/")
    named = AllOf((Equals(NAMESPACE, namespace), AnyOf((Equals(SERVICE, name), Equals(SERVICE, service)))))
    return AnyOf((named, Equals(SERVICE, service)))
