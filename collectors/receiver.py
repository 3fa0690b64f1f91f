"""What a receiver of telemetry is, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.component import Component

if TYPE_CHECKING:
    from collectors.ingest import Ingest
    from collectors.metrics import CollectorMetrics
    from collectors.shipper import Sink


class Receiver(Protocol):
    """Listens for telemetry and ships what comes; a request is answered when it is on the log."""

    @property
    def port(self) -> int:
        """The port bound, once it has started."""
        ...

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        ...

    async def stop(self) -> None:
        """Take no more requests, finish those in flight. Safe before start and twice."""
        ...


@dataclass(frozen=True, slots=True)
class ReceiverContext:
    """What receivers share: the way to the log, counters, and the bounds over all of them together."""

    sink: Sink
    metrics: CollectorMetrics
    ingest: Ingest


ReceiverComponent = Component[ReceiverContext, Receiver]
"""Its config has `host` and `port`; in the configuration HOST:PORT stands for both."""
