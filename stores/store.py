"""The store interface: write documents, find them again, delete the old ones.

A field is named by its path in the document as Elasticsearch would name it: `trace_id`, `root.service`,
`attributes.http.route`, `resource.attributes.service.name`. `@timestamp` and `_id` can be named too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from telemetry.documents import Kind
from telemetry.errors import StoreError, UnrecoverableError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.aggregates import AttributeName, Bucket, Distinct, Group, Spread
    from telemetry.documents import Body, Document

Scalar = str | int | float | bool

TRAIL = frozenset({Kind.AUDIT, Kind.INCIDENT})
"""Never deleted: the audit trail does not verify without its beginning, and incidents guard its end."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The field has this value, or one of its values is this."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values."""

    field: str
    values: Sequence[Scalar]


@dataclass(frozen=True, slots=True)
class Range:
    """`at_least <= field < below`; either end may be open."""

    field: str
    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class Contains:
    """The text of the field contains these words, in any case."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of these hold; so they do where there are none."""

    filters: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of these holds; none does where there are none."""

    filters: Sequence[Filter]


Filter = Equals | OneOf | Range | Contains | Exists | Not | AllOf | AnyOf


NO_LIMIT = 10_000_000
"""The limit of a query for all there is: of what its conditions bound themselves."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which documents, in which order. `since <= @timestamp < until`, nanoseconds since the epoch.

    `seconds` and `max_bytes` bound what the answer may cost, its documents counted as JSON; 0 is without bound.
    """

    kind: Kind
    where: Sequence[Filter] = ()
    since: int | None = None
    until: int | None = None
    sort: str = "@timestamp"
    descending: bool = False
    limit: int = 1000
    seconds: float = 0.0
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What to add up of a query's documents. Its order does not matter; more groups than its limit are refused.

    Attributes:
        query: which documents.
        by: fields of text whose values make a group; a missing one is empty, that of the environment its default.
        step: nanoseconds, whole milliseconds: groups are of documents whose time is in one such step since the epoch too.
        sums: fields of the layout, of integers.
        peaks: fields of the layout, of numbers, of which the greatest counts.
        bits: a field with `telemetry.documents.latency_bits`; empty: none.
        samples: fields at the top of documents of each group, those with the most in the list of integers `sample_by`, which
            is not empty.
    """

    query: Query
    by: Sequence[str] = ()
    step: int = 0
    sums: Sequence[str] = ()
    peaks: Sequence[str] = ()
    bits: str = ""
    samples: Sequence[str] = ()
    sample_by: str = ""


SAMPLES = 4
"""Documents of a group that an aggregation samples."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a group's documents add up to. `sums` and `peaks` are in the aggregation's order; times are to the millisecond.

    `start` is that of the step, 0 without one. `buckets` has the count of each bucket of the histogram, none that is zero.
    """

    key: tuple[str, ...]
    start: int
    documents: int
    sums: tuple[int, ...]
    peaks: tuple[float, ...]
    oldest: int
    newest: int
    buckets: Mapping[int, int]
    samples: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that the store will never take, and why.

    `unstorable`: no store accepts it, however its fields are set up, so nothing but the document can be at fault.
    """

    document: Document
    reason: str
    unstorable: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch. `created + existing + len(rejected)` is its length."""

    created: int
    existing: int
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do beyond the least. The default of each is no.

    Attributes:
        write: documents that a call of `write` should have where more than that wait.
    """

    many_processes: bool = False
    immediate: bool = False  # what is written can be found at once, without `refresh`
    size_retention: bool = False
    age_retention: bool = False  # `retain` deletes by age at once; else the server does, by its own lifecycle
    write: int = 2000


@dataclass(frozen=True, slots=True)
class Retention:
    """What to delete, the `TRAIL` aside. Zero means without bound."""

    seconds: int = 0
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How much is kept."""

    documents: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0


class AccessRefusedError(UnrecoverableError, StoreError):
    """The store is there and does not let us in. Trying again will not help; a person has to change something."""


class QuestionRefusedError(StoreError):
    """The store is there and cannot answer this question, such as an order by a field that has none."""


class TooManyGroupsError(QuestionRefusedError):
    """An aggregation has more groups than its query allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(Wording.MANY_GROUPS(limit=limit))


class AnswerTooLargeError(QuestionRefusedError):
    """The answer has more bytes than the query allows."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(Wording.LARGE_ANSWER(bytes=max_bytes))


class QueryTimeoutError(StoreError):
    """The answer took longer than the query allows. The store works on it no more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(Wording.SLOW_QUERY(seconds=f"{seconds:g}"))


class BusyError(StoreError):
    """Too many ask at once."""


class Aggregates(Protocol):
    """Counting over the documents of a query. Its `limit` bounds the answer; `seconds` the time. Raises as `Reads` does."""

    async def groups(self, query: Query, field: str, measure: str, offset: int = 0) -> list[Group]:
        """Groups by a keyword field, a page of them, in the order of the query.

        Each stands where the first of its documents in that order does; groups at the same place are by value.
        """
        ...

    async def distinct(self, query: Query, field: str) -> Distinct:
        """How many values of a keyword field there are."""
        ...

    async def facets(self, query: Query, fields: Sequence[str]) -> Mapping[str, list[Bucket]]:
        """For each field the most frequent values, the most frequent first, then by value."""
        ...

    async def spreads(self, query: Query, by: Sequence[str], measure: str) -> list[Spread]:
        """The spread of an integer field by keyword fields that a document has all of; by none: of all documents, if any.

        In no order. Of more than the limit, which ones is the store's choice.
        """
        ...

    async def grid(
        self, query: Query, origin: int, step: int, measure: str, bounds: Sequence[int]
    ) -> Mapping[tuple[int, int], int]:
        """Documents by time and by an integer field: (column, row) to how many, where there are some.

        Column c is from `origin + c * step` on; both are whole milliseconds. Row r is `bounds[r-1] <= value < bounds[r]`, row 0
        what is below the first bound, the last row what is from the last on.
        """
        ...

    async def names(self, query: Query, prefix: str) -> list[AttributeName]:
        """Attributes whose name begins so, in any case, by name. Some stores look at the newest documents only."""
        ...


class Reads(Protocol):
    """What those need who only read."""

    @property
    def aggregates(self) -> Aggregates:
        """Counts over documents."""
        ...

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query, each with `_id` and `@timestamp` (nanoseconds, int)."""
        ...

    async def count(self, query: Query) -> int:
        """How many documents a query has; its limit does not count."""
        ...

    async def environments(self, query: Query) -> list[str]:
        """The environments that the documents of a query name, sorted: at most as many as its limit."""
        ...

    async def values(self, query: Query, field: str) -> list[str]:
        """The values that the documents of a query have in a keyword field of the layout, sorted: at most as many as its limit.

        Raises:
            QuestionRefusedError: the field is none.
        """
        ...

    async def totals(self, asked: Aggregation) -> list[Totals]:
        """What a query's documents add up to, by group, in any order. Exact, and with documents that correct others.

        Raises:
            QuestionRefusedError: a field is not of the type, or there are too many groups.
        """
        ...


class Store(Reads, Protocol):
    """Keeps documents. All calls may be made concurrently."""

    def capabilities(self) -> Capabilities:
        """What this store can do."""
        ...

    async def write(self, documents: Sequence[Document]) -> Written:
        """Store what is not there yet: a document whose kind and id are known is left as it is.

        Returns when the documents are durable.

        Raises:
            StoreError: the store cannot take documents now; writing the same batch again is safe.
        """
        ...

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        """Make what was written findable."""
        ...

    async def retain(self, retention: Retention, now: int) -> int:
        """Delete documents older than the retention, then the oldest until the size fits; how many went.

        Raises:
            StoreError: the store cannot, as its capabilities say, or not now.
        """
        ...

    async def usage(self) -> Usage:
        """How much is kept."""
        ...

    def counters(self) -> Mapping[str, int]:
        """What could only be kept and not be indexed, by what it was."""
        ...

    async def close(self) -> None:
        """Flush and let go. Safe twice."""
        ...
