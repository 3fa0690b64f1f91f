"""What the collectors count about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from components.sockets.connections import ConnectionMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class CollectorMetrics:
    """Counters of the receivers and the shipper. Items are spans, log records or data points; bytes are protobuf.

    `transport` is `http` or `grpc`, of a receiver for other formats its name; `signal` is `spans`, `logs` or `metrics`.
    """

    def __init__(self, registry: CollectorRegistry, connections: ConnectionMetrics | None = None) -> None:
        self.connections = connections or ConnectionMetrics(registry)
        signal_and_transport = ("signal", "transport")
        self.accepted_items = Counter(
            "spanloom_collector_accepted_items",
            "Items acknowledged: they are on the log.",
            signal_and_transport,
            registry=registry,
        )
        self.accepted_bytes = Counter(
            "spanloom_collector_accepted_bytes",
            "Bytes of acknowledged requests, decompressed, as protobuf.",
            signal_and_transport,
            registry=registry,
        )
        self.refused_items = Counter(
            "spanloom_collector_refused_items",
            "Items refused though their request could be read; reason is invalid, too_large or overloaded.",
            (*signal_and_transport, "reason"),
            registry=registry,
        )
        self.truncated_spans = Counter(
            "spanloom_collector_truncated_spans",
            "Spans too large for a record of the log whose longest attribute values were cut.",
            ("transport",),
            registry=registry,
        )
        self.replaced_texts = Counter(
            "spanloom_collector_replaced_texts",
            "Texts that are no Unicode (bad UTF-8, half a surrogate pair) in which U+FFFD stands for what is none.",
            signal_and_transport,
            registry=registry,
        )
        self.empty_requests = Counter(
            "spanloom_collector_empty_requests",
            "Requests accepted that hold no item; content is empty, or unknown for one with nothing that is known here.",
            (*signal_and_transport, "content"),
            registry=registry,
        )
        self.refused_requests = Counter(
            "spanloom_collector_refused_requests",
            "Requests refused as a whole: malformed, too_many, too_large, unsupported, too_slow, cut_off, unauthenticated, "
            "forbidden, host, origin, throttled, overloaded or unavailable.",
            (*signal_and_transport, "reason"),
            registry=registry,
        )
        self.throttled_requests = Counter(
            "spanloom_collector_throttled_requests",
            "Requests refused because their token may not send more; limit is requests or bytes.",
            ("token", "limit"),
            registry=registry,
        )
        self.memory_bytes = Gauge(
            "spanloom_collector_memory_bytes",
            "Bytes of requests whose body is there and that are not answered yet.",
            registry=registry,
        )
        self.memory_requests = Gauge(
            "spanloom_collector_memory_requests",
            "Requests whose body is there and that are not answered yet.",
            registry=registry,
        )
        self.reading_bytes = Gauge(
            "spanloom_collector_reading_bytes",
            "Bytes of bodies on their way, over HTTP.",
            registry=registry,
        )
        self.shed_requests = Counter(
            "spanloom_collector_shed_requests",
            "Requests that the shipper refused; reason is full (its bounds are reached) or log (the write to the log failed).",
            ("topic", "reason"),
            registry=registry,
        )
        self.waiting_bytes = Gauge(
            "spanloom_collector_waiting_bytes",
            "Bytes in the shipper that are not durable on the log yet.",
            registry=registry,
        )
        self.waiting_requests = Gauge(
            "spanloom_collector_waiting_requests",
            "Requests in the shipper that are not durable on the log yet.",
            registry=registry,
        )
