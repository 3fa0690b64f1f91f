"""`GET /api/v1/services/{service}`: operations, dependencies, instances, versions and exceptions of one service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from dashboards.api.calls.exceptions import MAX_EXAMINED, ExceptionKind, exception_groups
from dashboards.api.calls.gaps import MAX_HOPS, Ends, gaps
from dashboards.api.calls.service_graph import NodeRef
from dashboards.api.calls.span_counts import SpanCounts, of_service, span_counts
from dashboards.api.calls.sums import CallsAnswer, CallSums, Stats
from dashboards.read_models.edge_sums import KEY, edges_by_kind
from stores.store import Equals, Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dashboards.api.asked import Asked, Covered
    from dashboards.api.calls.span_counts import Seen
    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Totals

MAX_OPERATIONS, MAX_INSTANCES = 200, 200
"""Of an answer, the busiest ones."""


class Operation(Stats):
    """Calls that the service received to one operation."""

    operation: str
    protocol: str
    critical_path_time: int = Field(description="nanoseconds that its calls held up their traces, all together")
    self_time: int | None = Field(description="of a call")


class Dependency(Stats):
    """Calls from, or to, another node."""

    node: NodeRef
    environment: str
    gap: int | None = Field(description="mean of the client's time less the server's: network and queues. Of `gap_calls` calls")
    gap_calls: int = Field(description="the newest calls that were looked at for it")
    self_time: int | None = Field(description="of the callee, of a call")
    critical_path_time: int
    exemplars: list[str] = Field(description="trace ids, the slowest call's first")


class RunningInstance(BaseModel):
    """An instance, in a version."""

    name: str
    version: str
    spans: int
    error_spans: int
    last_seen: int


class Version(BaseModel):
    """A version."""

    version: str
    spans: int
    error_spans: int
    first_seen: int = Field(description="in this time")
    last_seen: int


class ServiceDetail(CallsAnswer):
    """The answer."""

    name: str
    environments: list[str]
    stats: Stats = Field(description="of the calls that it received")
    spans: int
    error_spans: int
    last_seen: int | None
    operations: list[Operation]
    operations_total: int
    upstream: list[Dependency] = Field(description="who calls it")
    downstream: list[Dependency] = Field(description="whom it calls")
    instances: list[RunningInstance]
    instances_total: int
    versions: list[Version]
    exceptions: list[ExceptionKind]
    exceptions_examined: int = Field(description=f"its newest spans with an error, of which these are: {MAX_EXAMINED} at most")
    gap_hops_examined: int = Field(description=f"the newest calls of which the gaps are: {MAX_HOPS} at most")


async def service_detail(reads: BoundedReads, asked: Asked, covered: Covered, service: str) -> ServiceDetail:
    """What there was of a service in a time; it may be nothing.

    Raises:
        StoreError: the store does not answer.
    """
    since, until, where = covered.since, covered.until, asked.where
    called = (*where, Equals("callee.kind", NodeKind.SERVICE.value), Equals("callee.name", service))
    calling = (*where, Equals("caller.kind", NodeKind.SERVICE.value), Equals("caller.name", service))
    own_spans = (*where, of_service(service))
    received, made, counted, (known_gaps, hops) = await asyncio.gather(
        edges_by_kind(reads, since, until, called),
        edges_by_kind(reads, since, until, calling, KEY[:5]),
        span_counts(reads, since, until, own_spans),
        gaps(reads, since, until, where, service),
    )
    spans = {place: counts for place, counts in counted.items() if place[1] == service}
    failed = sum(counts.whole.errors for counts in spans.values())
    exceptions, examined = (
        await exception_groups(reads, Query(Kind.SPAN, own_spans, since, until), service) if failed else ([], 0)
    )
    operations: dict[tuple[str, str], CallSums] = {}
    whole = CallSums()
    for group in received:
        operations.setdefault((group.key[5], group.key[6]), CallSums()).add(group)
        whole.add(group)
    busiest = sorted((item for item in operations.items() if item[1].calls > 0), key=lambda item: (-item[1].calls, item[0]))
    instances, versions = _seen(spans.values())
    seconds = covered.seconds
    return ServiceDetail(
        since=since,
        until=until,
        name=service,
        environments=sorted({*(group.key[0] for group in (*received, *made)), *(environment for environment, _ in spans)}),
        stats=whole.stats(seconds),
        spans=sum(counts.whole.spans for counts in spans.values()),
        error_spans=failed,
        last_seen=max((counts.whole.last for counts in spans.values()), default=None),
        operations=[_operation(*key, sums, seconds) for key, sums in busiest[:MAX_OPERATIONS]],
        operations_total=len(busiest),
        upstream=_dependencies(received, 1, known_gaps, seconds),
        downstream=_dependencies(made, 3, known_gaps, seconds),
        instances=[
            RunningInstance(name=name, version=version, spans=seen.spans, error_spans=seen.errors, last_seen=seen.last)
            for (name, version), seen in sorted(instances.items(), key=lambda item: (-item[1].last, item[0]))[:MAX_INSTANCES]
        ],
        instances_total=len({name for name, _ in instances}),
        versions=[
            Version(version=version, spans=seen.spans, error_spans=seen.errors, first_seen=seen.first, last_seen=seen.last)
            for version, seen in sorted(versions.items(), key=lambda item: (-item[1].last, item[0]))
        ],
        exceptions=exceptions,
        exceptions_examined=examined,
        gap_hops_examined=hops,
    )


def is_known(detail: ServiceDetail) -> bool:
    """Whether anything is stored of it in this time."""
    return bool(detail.environments)


def _operation(operation: str, protocol: str, sums: CallSums, seconds: float) -> Operation:
    return Operation(
        **dict(sums.stats(seconds)),
        operation=operation,
        protocol=protocol,
        critical_path_time=sums.critical,
        self_time=sums.a_call(sums.self_time),
    )


def _dependencies(groups: Iterable[Totals], other: int, known: dict[Ends, tuple[int, int]], seconds: float) -> list[Dependency]:
    """By the other end, whose kind is at a place of the key and its name behind that."""
    found: dict[Ends, CallSums] = {}
    for group in groups:
        environment, caller_kind, caller, callee_kind, callee = group.key[:5]
        found.setdefault((environment, caller_kind, caller, callee_kind, callee), CallSums()).add(group)
    busiest = sorted((item for item in found.items() if item[1].calls > 0), key=lambda item: (-item[1].calls, item[0]))
    dependencies = []
    for ends, sums in busiest:
        gap, calls = known.get(ends, (0, 0))
        dependencies.append(
            Dependency(
                **dict(sums.stats(seconds)),
                node=NodeRef(kind=NodeKind(ends[other]), name=ends[other + 1]),
                environment=ends[0],
                gap=round(gap / calls) if calls else None,
                gap_calls=calls,
                self_time=sums.a_call(sums.self_time),
                critical_path_time=sums.critical,
                exemplars=sums.slowest,
            )
        )
    return dependencies


def _seen(counts: Iterable[SpanCounts]) -> tuple[dict[tuple[str, str], Seen], dict[str, Seen]]:
    """Instances and versions over all environments."""
    instances: dict[tuple[str, str], Seen] = {}
    versions: dict[str, Seen] = {}
    for one in counts:
        for instance, seen in one.instances.items():
            instances[instance] = instances[instance] + seen if instance in instances else seen
        for version, seen in one.versions.items():
            versions[version] = versions[version] + seen if version in versions else seen
    return instances, versions
