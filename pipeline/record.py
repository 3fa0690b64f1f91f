"""A record as a stage gets it, and a topic as a stage writes to it: what stages need of Faust's event and topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping


class TP(NamedTuple):
    """A partition of a topic. Equal to that of Faust and of aiokafka."""

    topic: str
    partition: int


class Message(Protocol):
    """Where a record lies, and its bytes."""

    tp: TP
    topic: str
    partition: int
    offset: int
    timestamp: float | None  # seconds since the epoch, when it came to the log
    key: bytes | None
    value: bytes | None
    generation_id: int  # of the group's assignment in which it was delivered


class Record(Protocol):
    """A record of a partition that this worker owns."""

    message: Message
    value: bytes | None

    @property
    def headers(self) -> Mapping[str, bytes]:
        """By name."""
        ...

    def ack(self) -> object:
        """Its work is done: its offset may be committed when all before it are acknowledged."""
        ...


class OutputTopic(Protocol):
    """A topic that a stage writes to."""

    partitions: int

    async def send(
        self,
        *,
        key: bytes | None = None,
        value: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> Awaitable[object]:
        """An awaitable that ends when the record is on the log."""
        ...


class Application(Protocol):
    """What the delivery of records needs of Faust's application."""

    @property
    def consumer_generation_id(self) -> int:
        """How many assignments of partitions there were."""
        ...

    async def crash(self, reason: BaseException) -> None:
        """End the process with this error."""
        ...
