"""The connections of one port: how many there may be, and who makes room when there are too many.

A port that is full does not turn the newcomer away: it closes the connection that has been silent for the longest. A flood
of silent connections so pushes out itself, and who sends a request at once is served. A connection that waits for the answer
to a request that is there is never closed.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry


class ConnectionLimits(BaseModel):
    """How many connections a port accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_connections: int = Field(
        default=1000, gt=0, description="Connections in total. Fewer where the process may open few files: docs/collectors.md."
    )
    max_connections_per_address: int = Field(
        default=500, gt=0, description="Connections from one address; the addresses of an IPv6 /64 count as one."
    )


class ConnectionMetrics:
    """What the ports count about their connections. `port` is `otlp_grpc`, `otlp_http` or `console`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("spanloom_connections", "Open connections.", ("port",), registry=registry)
        self.limit = Gauge("spanloom_connections_limit", "How many connections the port accepts.", ("port",), registry=registry)
        self.closed = Counter(
            "spanloom_connections_closed",
            "Connections that the server closed. Reason is evicted (silent, or slowest, when others needed room), full (nobody "
            "could make room), address_full (nobody of its address could), accept_failed (no descriptor or memory), handshake "
            "(TLS failed or took too long), slow_header, large_header, slow_body, large_body, slow_reader or not_http2.",
            ("port", "reason"),
            registry=registry,
        )


class Stage(IntEnum):
    """What a connection does; when room is needed, the lower stage goes first, and in a stage who entered it first."""

    SILENT = 0
    """No request has begun on it, or its header is not complete."""
    IDLE = 1
    """It waits for the next request."""
    READING = 2
    """A body is on its way."""
    STREAMING = 3
    """A WebSocket."""
    BUSY = 4
    """A request is there and being answered: never closed to make room."""


_EVICTABLE: Final = tuple(stage for stage in Stage if stage is not Stage.BUSY)


class Connection:
    """One connection that was admitted, until it is released."""

    __slots__ = ("_connections", "address", "close", "stage")

    def __init__(self, connections: Connections, address: str, close: Callable[[], object]) -> None:
        self._connections = connections
        self.address = address
        self.close = close
        self.stage: Stage | None = None

    def enter(self, stage: Stage) -> None:
        """Say what it does now."""
        if self.stage is not None and self.stage is not stage:
            self._connections.move(self, stage)

    def touch(self) -> None:
        """It was active: of those in its stage it goes last."""
        if self.stage is not None:
            self._connections.move(self, self.stage)

    def release(self) -> None:
        """It has ended. Safe twice."""
        if self.stage is not None:
            self._connections.move(self, None)

    def count(self, reason: str) -> None:
        """Count that the server closes it, and why."""
        self._connections.count(reason)


class Connections:
    """The open connections of a port.

    Args:
        port: what the port is called in metrics.
        limits: how many there may be.
        metrics: where they are counted.
        total: the limit in total where it is lower than that of `limits`.
    """

    def __init__(self, port: str, limits: ConnectionLimits, metrics: ConnectionMetrics, total: int | None = None) -> None:
        self._port = port
        self._total = min(limits.max_connections, total or limits.max_connections)
        self._per_address = min(limits.max_connections_per_address, self._total)
        self._metrics = metrics
        self._stages = _Stages()
        self._by_address: dict[str, _Stages] = {}
        metrics.limit.labels(port).set(self._total)
        metrics.open.labels(port).set_function(lambda: len(self._stages))

    def __len__(self) -> int:
        return len(self._stages)

    def admit(self, host: str, close: Callable[[], object]) -> Connection | None:
        """A newcomer, for whom another may be closed; None where nobody can make room.

        Args:
            host: the peer's address.
            close: closes the connection at once; called when it has to make room.
        """
        address = address_key(host)
        same = self._by_address.get(address)
        if same is not None and len(same) >= self._per_address and not self._evict(same):
            self.count("address_full")
            return None
        if len(self._stages) >= self._total and not self._evict(self._stages):
            self.count("full")
            return None
        admitted = Connection(self, address, close)
        self.move(admitted, Stage.SILENT)
        return admitted

    def make_room(self, wanted: int) -> None:
        """Close up to so many connections, as many as can be."""
        for _ in range(wanted):
            if not self._evict(self._stages):
                return

    def move(self, connection: Connection, stage: Stage | None) -> None:
        """Put a connection into another stage, None for out; `Connection` has the methods for this."""
        same = self._by_address.setdefault(connection.address, _Stages())
        for stages in (self._stages, same):
            stages.move(connection, stage)
        connection.stage = stage
        if not len(same):
            del self._by_address[connection.address]

    def count(self, reason: str) -> None:
        """Count a connection that the server closes."""
        self._metrics.closed.labels(self._port, reason).inc()

    def _evict(self, stages: _Stages) -> bool:
        victim = stages.first()
        if victim is None:
            return False
        self.count("evicted")
        victim.release()
        victim.close()
        return True


class _Stages:
    """Connections by stage, in the order in which they entered it."""

    __slots__ = ("_members", "_size")

    def __init__(self) -> None:
        self._members: tuple[OrderedDict[Connection, None], ...] = tuple(OrderedDict() for _ in Stage)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def move(self, connection: Connection, stage: Stage | None) -> None:
        if connection.stage is not None:
            del self._members[connection.stage][connection]
            self._size -= 1
        if stage is not None:
            self._members[stage][connection] = None
            self._size += 1

    def first(self) -> Connection | None:
        """Who goes first when room is needed."""
        return next((next(iter(members)) for stage in _EVICTABLE if (members := self._members[stage])), None)


def address_key(host: str) -> str:
    """What addresses are counted by: IPv4 as it is, also when mapped into IPv6, and the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return host
