"""What a TraceQL query is made of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.promql.regex import Regex


class AttributeScope(StrEnum):
    """Whose attribute: of the span, of what sent it, of one of its events or links, or of its instrumentation."""

    EITHER = ""  # the span's, or else its resource's
    SPAN = "span"
    RESOURCE = "resource"
    EVENT = "event"
    LINK = "link"
    INSTRUMENTATION = "instrumentation"


class ValueType(StrEnum):
    """The type of a value in a query, or of what an intrinsic field holds."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    NIL = "nil"
    DURATION = "duration"
    STATUS = "status"
    KIND = "kind"


class Intrinsic(StrEnum):
    """A field that every span has, by its name without a scope or, where it has none such, by its scoped name."""

    NAME = "name"
    STATUS = "status"
    STATUS_MESSAGE = "statusMessage"
    DURATION = "duration"
    KIND = "kind"
    SPAN_ID = "span:id"
    PARENT_ID = "span:parentID"
    TRACE_ID = "trace:id"
    EVENT_NAME = "event:name"
    LINK_TRACE_ID = "link:traceID"
    LINK_SPAN_ID = "link:spanID"
    INSTRUMENTATION_NAME = "instrumentation:name"
    INSTRUMENTATION_VERSION = "instrumentation:version"


class LogField(StrEnum):
    """A field of log records, which TraceQL has no name for and the console's searches have."""

    SEVERITY = "severity"
    TEXT = "text"


class TraceField(StrEnum):
    """A field of what was found out about a trace, which TraceQL has no name for and the console's searches have."""

    ANOMALY_SCORE = "anomaly.score"


TYPES = {Intrinsic.STATUS: ValueType.STATUS, Intrinsic.DURATION: ValueType.DURATION, Intrinsic.KIND: ValueType.KIND}
"""Of intrinsic fields that hold no text."""

INTRINSICS = {str(intrinsic): intrinsic for intrinsic in Intrinsic} | {
    f"span:{intrinsic}": intrinsic
    for intrinsic in (Intrinsic.NAME, Intrinsic.STATUS, Intrinsic.STATUS_MESSAGE, Intrinsic.DURATION, Intrinsic.KIND)
}
"""By each way to write them."""

STATUSES = ("error", "ok", "unset")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field that its sender named."""

    scope: AttributeScope
    name: str

    def __str__(self) -> str:
        return f"{self.scope}.{self.name}"


Field = Attribute | Intrinsic | LogField | TraceField


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a query; durations in nanoseconds."""

    type: ValueType
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a value; `pattern` where that is a regular expression."""

    field: Field
    operator: Operator
    value: Value
    pattern: Regex | None = dataclasses.field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Both:
    """Two conditions of which both hold."""

    left: Condition
    right: Condition


@dataclass(frozen=True, slots=True)
class Either:
    """Two conditions of which one holds."""

    left: Condition
    right: Condition


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition that does not hold."""

    inner: Condition


@dataclass(frozen=True, slots=True)
class Always:
    """`true`, or the empty condition; or `false`."""

    value: bool = True


Condition = Comparison | Both | Either | Negated | Always


@dataclass(frozen=True, slots=True)
class SpanSelection:
    """A query: which spans, and which of their fields to show besides those that it compares."""

    condition: Condition
    shown: tuple[Field, ...] = ()


def fields_of(condition: Condition) -> list[Field]:
    """The fields that a condition compares, each once, in their order."""
    match condition:
        case Comparison():
            return [condition.field]
        case Both() | Either():
            return list(dict.fromkeys([*fields_of(condition.left), *fields_of(condition.right)]))
        case Negated():
            return fields_of(condition.inner)
        case Always():
            return []
