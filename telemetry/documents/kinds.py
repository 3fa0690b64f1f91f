"""What is stored: each kind of document, its layout and its id.

Spans, logs and metrics have the layout of `telemetry.documents.signals`. Ids of traces and spans are in hex, durations in
nanoseconds.

An id is a function of what the document is about, so writing it twice changes nothing. What can grow (a trace that
gets a late span) has a `revision`: the number of signals known of the trace. Each revision is a document of its own
with id `<id>.<revision>`; `latest` keeps the newest. Edges are different: readers add them up (see `EDGE`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from telemetry.documents.latency_bits import latency_bits
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.json_object import JsonObject
from telemetry.sentences import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import CallGraph, Edge, Hop, Node, Segment
    from telemetry.findings import Anomaly, CulpritRanking
    from telemetry.metrics import ExponentialBuckets

Body = JsonObject
"""A document as JSON would hold it."""


class Kind(StrEnum):
    """The kinds of stored documents."""

    SPAN = "span"
    LOG = "log"
    METRIC = "metric"
    TRACE = "trace"
    HOP = "hop"
    EDGE = "edge"
    RECEIPT = "receipt"
    ANOMALY = "anomaly"
    CULPRIT = "culprit"
    ALERT = "alert"
    NOTIFICATION = "notification"
    INCIDENT = "incident"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to store. `time` is its `@timestamp` in nanoseconds since the epoch; `body` does not repeat the id."""

    kind: Kind
    id: str
    time: int
    body: Body


def digest(*parts: bytes | str) -> str:
    """A short id that is a function of its parts: 128 bits of BLAKE2b, in hex."""
    content = b"".join([_framed(part.encode() if isinstance(part, str) else part) for part in parts])
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def timestamp(time: int) -> str:
    """RFC 3339 with nanoseconds, as Elasticsearch's `date_nanos` reads it."""
    seconds, nanos = divmod(time, 1_000_000_000)
    return f"{_second(seconds)}.{nanos:09d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Documents of one second come together: its text is made once."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def latest(bodies: Iterable[Body]) -> list[Body]:
    """The newest revision of each id, without retracted ones. Order is kept."""
    newest: dict[str, Body] = {}
    for body in bodies:
        known = newest.get(body["id"])
        if known is None or age(body) > age(known):
            newest[body["id"]] = body
    return [body for body in newest.values() if not body.get("retracted")]


def counted(hops: Iterable[Body]) -> list[Body]:
    """The hops that their windows count: the newest revision of each id in each window, without retracted ones.

    More than one window has a hop where a crash came between its moving into a window and its leaving another.
    """
    newest: dict[tuple[str, int], Body] = {}
    for body in hops:
        place = body["id"], body["window"]
        known = newest.get(place)
        if known is None or age(body) > age(known):
            newest[place] = body
    return [body for body in newest.values() if not body.get("retracted")]


def age(body: Body) -> tuple[int, bool]:
    """What orders the revisions of a document."""
    return body["revision"], not body.get("retracted")  # what has moved is retracted in one window and stored in another


def plain(value: object) -> Any:
    """An attribute value as JSON holds it: bytes in hex, the rest as it is."""
    match value:
        case bytes():
            return value.hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return value


def node_body(node: Node) -> Body:
    """A node as documents hold it."""
    return {"kind": node.kind.value, "name": node.name}


def segment_body(segment: Segment) -> Body:
    """A piece of the critical path as documents hold it."""
    return {
        "span_id": segment.span_id.hex(),
        "service": segment.service,
        "operation": segment.operation,
        "start": segment.start,
        "duration": segment.end - segment.start,
    }


def trace_document(graph: CallGraph, revision: int, logs: Body) -> Document:
    """A call graph. `logs` is what `processors.assembly.assembler` counted of the trace's logs and exemplars."""
    trace_id = graph.trace_id.hex()
    body: Body = {
        "id": trace_id,
        "revision": revision,
        "trace_id": trace_id,
        "environment": graph.environment,
        "start": graph.start,
        "duration": graph.duration,
        "span_count": graph.span_count,
        "root": {
            "span_id": graph.root_span_id.hex(),
            "service": graph.root_service,
            "operation": graph.root_operation,
        },
        "services": list(graph.services),
        "errors": graph.errors,
        "completeness": graph.completeness,
        "missing_parents": [span_id.hex() for span_id in graph.missing_parents],
        "orphans": [span_id.hex() for span_id in graph.orphans],
        "critical_path": [segment_body(segment) for segment in graph.critical_path],
        **logs,
    }
    return Document(Kind.TRACE, f"{trace_id}.{revision}", graph.start, body)


def hop_document(hop: Hop, revision: int, partition: int, window: int) -> Document:
    """A hop. `partition` and `window` (start, ns) say which edge document counts it."""
    trace_id, own = hop.trace_id.hex(), hop.id.hex()
    body: Body = {
        "id": f"{trace_id}{own}",
        "revision": revision,
        "trace_id": trace_id,
        "partition": partition,
        "window": window,
        "environment": hop.environment,
        "caller": node_body(hop.caller) | {"instance": hop.caller_instance, "host": hop.caller_host},
        "callee": node_body(hop.callee) | {"instance": hop.callee_instance, "host": hop.callee_host},
        "operation": hop.operation,
        "protocol": hop.protocol,
        "start": hop.start,
        "end": hop.end,
        "duration": hop.duration,
        "client_span_id": hop.client_span_id.hex(),
        "server_span_id": hop.server_span_id.hex(),
        "client_duration": hop.client_duration,
        "server_duration": hop.server_duration,
        "gap": hop.gap,
        "self_time": hop.self_time,
        "queue_wait": hop.queue_wait,
        "blocked_sequential": hop.blocked_sequential,
        "blocked_parallel": hop.blocked_parallel,
        "critical_path_time": hop.critical_path_time,
        "critical_path_share": hop.critical_path_share,
        "skew": hop.skew,
        "failed": hop.failed,
        "inferred": hop.inferred,
        "link": hop.link,
        "server_start": hop.server_start,
    }
    return Document(Kind.HOP, f"{body['id']}.{revision}", hop.start, body)


def link_query_document(trace_id: bytes, span_id: bytes, receiver: bytes, time: int) -> Document:
    """A message that trace `receiver` got, whose sender has not been seen: it is answered when the sender comes."""
    body: Body = {"trace_id": trace_id.hex(), "span_id": span_id.hex(), "receiver": receiver.hex()}
    return Document(Kind.RECEIPT, digest(*body.values()), time, body)


def retracted_hop_document(body: Body, revision: int) -> Document:
    """What a later signal has shown to be no hop, or to begin in another window: this revision says so in this window.

    Beside it there may be the hop with the same revision in its new window, so the id names the window.
    """
    own = {name: value for name, value in body.items() if name not in {"_id", "@timestamp"}}  # the store put these beside it
    retracted = own | {"revision": revision, "retracted": True}
    return Document(Kind.HOP, f"{body['id']}.{revision}.{body['window']}", body["start"], retracted)


def exponential_body(buckets: ExponentialBuckets) -> Body:
    """An exponential histogram as documents hold it."""
    return {
        "scale": buckets.scale,
        "zero_count": buckets.zero_count,
        "positive_offset": buckets.positive_offset,
        "positive": list(buckets.positive),
    }


def edge_body(edge: Edge) -> Body:
    """An edge as documents and records hold it."""
    return {
        "environment": edge.key.environment,
        "caller": node_body(edge.key.caller),
        "callee": node_body(edge.key.callee),
        "operation": edge.key.operation,
        "protocol": edge.key.protocol,
        "window": edge.start,
        "width": edge.width,
        "calls": edge.calls,
        "failures": edge.failures,
        "latency_sum": edge.latency_sum,
        "latency": exponential_body(edge.latency),
        "self_time_sum": edge.self_time_sum,
        "critical_path_sum": edge.critical_path_sum,
        "exemplars": [trace_id.hex() for trace_id in edge.exemplars],
        "exemplar_durations": list(edge.exemplar_durations),
        "failed_traces": [trace_id.hex() for trace_id in edge.failed_traces],
    }


def edge_document(edge: Edge, partition: int, counted: str, *, correction: bool = False) -> Document:
    """What one partition saw of an edge in one window. Readers add the documents of a window, corrections included.

    `counted` names the hops that it counts, so that counting the same hops again gives the same id.
    """
    own = {"partition": partition, "correction": correction, "latency_bits": latency_bits(edge.latency)}
    body = edge_body(edge) | own
    key = [body["caller"], body["callee"], edge.key.operation, edge.key.protocol]
    if edge.key.environment != DEFAULT_ENVIRONMENT:
        key.append(edge.key.environment)
    return Document(Kind.EDGE, digest(orjson.dumps(key), str(edge.start), str(partition), counted), edge.start, body)


def anomaly_document(anomaly: Anomaly) -> Document:
    """An anomaly. Id: the digest of kind, series and window; the labels of a series name its environment."""
    labels = dict(anomaly.series.labels)
    body: Body = {
        "kind": anomaly.kind.value,
        "series": {"name": anomaly.series.name, "labels": labels},
        "service": anomaly.service,
        "operation": anomaly.operation,
        "instance": anomaly.instance,
        "environment": anomaly.environment,
        "start": anomaly.start,
        "end": anomaly.end,
        "score": anomaly.score,
        "expected": anomaly.expected,
        "seen": anomaly.seen,
        "unit": anomaly.unit,
        "why": anomaly.why,
        "why_parts": parts_of(anomaly.why),
        "trace_ids": [trace_id.hex() for trace_id in anomaly.trace_ids],
    }
    identity = orjson.dumps(
        [anomaly.kind, anomaly.series.name, labels, anomaly.start, anomaly.end], option=orjson.OPT_SORT_KEYS
    )
    return Document(Kind.ANOMALY, digest(identity), anomaly.end, body)


def culprits_document(culprits: CulpritRanking) -> Document:
    """A ranking. Id: the digest of environment, time and what opened it."""
    body: Body = {
        "environment": culprits.environment,
        "opened_by": culprits.opened_by,
        "ranking": [
            {
                "service": suspect.service,
                "instance": suspect.instance,
                "score": suspect.score,
                "evidence": [
                    {
                        "signal": evidence.signal,
                        "weight": evidence.weight,
                        "text": evidence.text,
                        "text_parts": parts_of(evidence.text),
                        "trace_ids": [trace_id.hex() for trace_id in evidence.trace_ids],
                        "series": evidence.series,
                    }
                    for evidence in suspect.evidence
                ],
            }
            for suspect in culprits.ranking
        ],
    }
    return Document(Kind.CULPRIT, digest(culprits.environment, str(culprits.time), culprits.opened_by), culprits.time, body)


def audit_document(body: Body) -> Document:
    """A record of the audit trail. Id: chain and sequence, so that no second one can take its place."""
    return Document(Kind.AUDIT, f"{body['chain']}.{body['sequence']:012d}", body["time"], body)


def incident_document(body: Body, time: int) -> Document:
    """An incident as it is at `time`: each change is a revision of its own."""
    return Document(Kind.INCIDENT, f"{body['id']}.{body['revision']}", time, body)


def alert_document(body: Body) -> Document:
    """A change of an alert's state. Id: fingerprint, since when the alert is there, and the state that it came to.

    The alert's name stands by itself too: tables and charts cannot be made by a label.
    """
    identity = (body["fingerprint"], str(body["active_at"]), body["state"])
    named = {**body, "alertname": body["labels"].get("alertname", "")}
    return Document(Kind.ALERT, digest(*identity), body["time"], named)


def notification_document(body: Body, time: int) -> Document:
    """What became of a notification, or why an alert was not in one. Id: its idempotency key and the outcome."""
    return Document(Kind.NOTIFICATION, digest(body["key"], body["outcome"]), time, body)
