"""What every receiver does with an OTLP request, whatever it came by: decode, refuse what is invalid, ship the rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from collectors.compression import Body
from collectors.decoding import Encoding, NothingLeftError, Outcome, Prepared, parse, prepare
from collectors.errors import LogUnavailableError
from components import sender as senders
from telemetry import otlp
from telemetry.errors import OverloadedError
from telemetry.structure import TooManyElementsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collectors.compression import Compression, SizeLimit
    from collectors.ingest import Ingest
    from collectors.metrics import CollectorMetrics
    from collectors.senders import Sender
    from collectors.shipper import Sink
    from components.memory_limiter import BytesShare
    from telemetry.otlp import Signal

TOPICS: Final[Mapping[Signal, str]] = {"spans": "otlp_spans", "logs": "otlp_logs", "metrics": "otlp_metrics"}
"""Where each signal goes: the default topics of the OpenTelemetry Collector's Kafka exporter."""

_SMALL: Final[Mapping[Encoding, int]] = {"protobuf": 256 * 1024, "json": 32 * 1024}
"""Bodies up to so many bytes are parsed in the event loop, which is cheaper; that takes some milliseconds at most."""

_FEW: Final = 4096
"""Items, scopes and resources up to so many are looked through in the event loop."""


class Intake:
    """Admits the requests of one transport and counts them."""

    def __init__(self, transport: str, sink: Sink, metrics: CollectorMetrics, ingest: Ingest) -> None:
        self._transport = transport
        self._sink = sink
        self._metrics = metrics
        self._ingest = ingest

    async def admit(
        self,
        signal: Signal,
        body: bytes,
        sender: Sender,
        *,
        encoding: Encoding = "protobuf",
        compression: Compression = "identity",
        limit: SizeLimit,
    ) -> Outcome:
        """Ship the valid items of a request whose body is there; return when they are on the log.

        The records say who sent them, see `components.sender`.

        Args:
            signal: what it carries.
            body: the whole of it.
            sender: who sent it.
            encoding: of the body.
            compression: what it is compressed with.
            limit: how large it may be, decompressed.

        Raises:
            TooLargeError: it is larger, or nothing is left of it but items that are too large for the log.
            TooManyItemsError: it has more items than it may.
            TooManyElementsError: it would unfold to more than it may.
            DecodeError: it cannot be read, or no item of it is valid. Sending it again will not help.
            OverloadedError: nothing was accepted; try again later.
            LogUnavailableError: it may not be on the log; try again later.
        """
        with self._ingest.budget.share() as share:
            share.hold(len(body))
            came = Body(body, compression=compression, limit=limit, at_once=_SMALL["protobuf"])
            del body
            share.hold(came.size)
            prepared = await self._prepare(signal, came, encoding, sender, share)
            self._count_refused(signal, prepared.refused)
            self._metrics.truncated_spans.labels(self._transport).inc(prepared.truncated)
            self._metrics.replaced_texts.labels(signal, self._transport).inc(prepared.replaced)
            if prepared.empty:
                self._metrics.empty_requests.labels(signal, self._transport, prepared.empty).inc()
            del came
            share.hold(sum(map(len, prepared.records)))
            await self._ship(signal, prepared, sender.text)
        return prepared.outcome

    async def _prepare(self, signal: Signal, body: Body, encoding: Encoding, sender: Sender, share: BytesShare) -> Prepared:
        """Decode; where it may take long, off the event loop, and one at a time.

        What waits for its turn is as it came: neither decompressed nor built, for that can be a thousand times as large.
        """
        config = self._ingest.config
        read = partial(parse, signal, encoding=encoding, max_elements=config.max_elements)
        max_items = min(config.max_items, sender.max_items or config.max_items)
        finish = partial(prepare, signal, encoding=encoding, max_items=max_items, max_record_bytes=self._sink.max_record_bytes)
        try:
            if body.is_whole:
                sender.spend(body.size)
                if body.size <= _SMALL[encoding]:
                    request = read(body.plain)
                    if not otlp.has_more_than(_FEW, signal, request.message):
                        return finish(request)
                    del request
            async with self._ingest.turn():
                if not body.is_whole:
                    await self._ingest.off_loop(body.decompress)
                    share.hold(body.size)
                    sender.spend(body.size)
                return await self._ingest.off_loop(lambda: finish(read(body.plain)))
        except TooManyElementsError as error:
            raise TooManyElementsError(f"{error} (ingest.max_elements)") from None
        except NothingLeftError as nothing:
            self._count_refused(signal, nothing.refused)
            raise nothing.error from None

    def _count_refused(self, signal: Signal, refused: Mapping[str, int]) -> None:
        for reason, items in refused.items():
            self._metrics.refused_items.labels(signal, self._transport, reason).inc(items)

    async def _ship(self, signal: Signal, prepared: Prepared, sender: str) -> None:
        """Send the records of one request. When one fails the request fails: sent again, it makes the same documents."""
        try:
            for record in prepared.records:
                await self._sink.send(TOPICS[signal], record, {senders.HEADER: sender.encode()})
        except (OverloadedError, LogUnavailableError):
            self._count_refused(signal, {"overloaded": prepared.items})
            raise
        if prepared.records:
            self._metrics.accepted_items.labels(signal, self._transport).inc(prepared.items)
            self._metrics.accepted_bytes.labels(signal, self._transport).inc(sum(map(len, prepared.records)))

    def refused(self, signal: Signal, reason: str) -> None:
        """Count a request that is refused as a whole."""
        self._metrics.refused_requests.labels(signal, self._transport, reason).inc()
