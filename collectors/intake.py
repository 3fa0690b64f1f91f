"""What every OTLP receiver does with a request, whatever it came by: parse, refuse what is invalid, ship the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from collectors.errors import LogUnavailableError, TooLargeError
from components import sender as senders
from telemetry import otlp
from telemetry.errors import DecodeError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collectors.metrics import CollectorMetrics
    from collectors.shipper import Sink
    from telemetry.otlp import Signal

Transport = Literal["http", "grpc"]
Encoding = Literal["protobuf", "json"]

TOPICS: Final[Mapping[Signal, str]] = {"spans": "otlp_spans", "logs": "otlp_logs", "metrics": "otlp_metrics"}
"""Where each signal goes: the default topics of the OpenTelemetry Collector's Kafka exporter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request that was taken: how many of its items were refused, and why the first of them."""

    rejected: int = 0
    message: str = ""


class Intake:
    """Takes the requests of one transport and counts them."""

    def __init__(self, transport: Transport, sink: Sink, metrics: CollectorMetrics) -> None:
        self._transport = transport
        self._sink = sink
        self._metrics = metrics

    async def take(
        self, signal: Signal, body: bytes, encoding: Encoding = "protobuf", sender: str = senders.ANONYMOUS
    ) -> Outcome:
        """Ship the valid items of a request; return when they are on the log.

        The records say who sent them, see `components.sender`.

        A protobuf request without invalid items is shipped byte for byte as it came, unless it is too large for one record:
        then it is split, and a span that is too large alone is truncated, see `otlp.fit`.

        Raises:
            TooLargeError: nothing is left of it but items that are too large for the log.
            DecodeError: it cannot be read, or no item of it is valid. Sending it again will not help.
            OverloadedError: nothing was taken; try again later.
            LogUnavailableError: it may not be on the log; try again later.
        """
        request = otlp.parse_json(signal, body) if encoding == "json" else otlp.parse(signal, body)
        invalid = otlp.reject(signal, request)
        items = otlp.count_items(signal, request)
        outcome = Outcome()
        if invalid is not None:
            self._refuse(signal, "invalid", invalid.count)
            field = otlp.json_path(invalid.first.field) if encoding == "json" else invalid.first.field
            reason = f"{invalid.first.reason} ({invalid.count} of {invalid.count + items} refused)"
            if not items:
                raise DecodeError(field, reason)
            outcome = Outcome(invalid.count, f"{field}: {reason}")
        if items:
            value = body if encoding == "protobuf" and invalid is None else request.SerializeToString()
            records = [value]
            if len(value) > self._sink.max_record_bytes:
                fitted = otlp.fit(signal, request, self._sink.max_record_bytes)
                records, left_out = fitted.parts, len(fitted.left_out)
                self._metrics.truncated_spans.labels(self._transport).inc(fitted.truncated)
                if left_out:
                    self._refuse(signal, "too_large", left_out)
                    reason = f"{fitted.left_out[0]} ({left_out} of {items} refused)"
                    if not records:
                        raise TooLargeError(reason)
                    items -= left_out
                    outcome = Outcome(outcome.rejected + left_out, outcome.message or reason)
            await self._ship(signal, records, items, sender)
        return outcome

    def _refuse(self, signal: Signal, reason: str, items: int) -> None:
        self._metrics.refused_items.labels(signal, self._transport, reason).inc(items)

    async def _ship(self, signal: Signal, records: Sequence[bytes], items: int, sender: str) -> None:
        """Send the records of one request. When one fails the request fails: sent again, it makes the same documents."""
        try:
            for record in records:
                await self._sink.send(TOPICS[signal], record, {senders.HEADER: sender.encode()})
        except (OverloadedError, LogUnavailableError):
            self._refuse(signal, "overloaded", items)
            raise
        self._metrics.accepted_items.labels(signal, self._transport).inc(items)
        self._metrics.accepted_bytes.labels(signal, self._transport).inc(sum(map(len, records)))

    def refused(self, signal: Signal, reason: str) -> None:
        """Count a request that is refused as a whole."""
        self._metrics.refused_requests.labels(signal, self._transport, reason).inc()
