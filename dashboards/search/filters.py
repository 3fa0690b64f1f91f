"""A condition as a filter of the store that holds for just the documents that meet it, so that the store can count them.

Regular expressions and parts of words are looked up first among the values that the store has in the field.
"""

from __future__ import annotations

import math
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Protocol

from dashboards.read_models.attribute_values import candidates
from dashboards.tempo_api.traceql.stored import FIELDS, LENGTHS, PLACES
from dashboards.tempo_api.traceql.syntax import (
    Always,
    Attribute,
    Both,
    Comparison,
    Either,
    Intrinsic,
    LogField,
    Negated,
    Operator,
    TraceField,
    ValueType,
)
from stores.store import AllOf, AnyOf, Contains, Exists, Not, OneOf, Range
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from dashboards.tempo_api.traceql.syntax import Condition, Field
    from stores.store import Filter, Scalar

MAX_VALUES = 10_000
"""Values of a field among which a regular expression is looked up."""

MAX_MATCHES = 1_000
"""Values that it may match."""

_FIELDS = {
    **FIELDS,
    Intrinsic.STATUS_MESSAGE: "status.message",
    Intrinsic.PARENT_ID: "parent_span_id",
    Intrinsic.INSTRUMENTATION_NAME: "scope.name",
    LogField.SEVERITY: "severity_number",
    LogField.TEXT: "body.text",
}
_LENGTHS = {**LENGTHS, Intrinsic.PARENT_ID: 16}


class TooManyValuesError(InputError):
    """A regular expression, or a part of a word, on a field that has too many values for it."""


class Values(Protocol):
    """The values that documents have in a field."""

    def __call__(self, path: str, limit: int, /) -> Awaitable[Sequence[str]]:
        """As texts: at most as many as the limit."""
        ...


class Scores(Protocol):
    """How unusual traces are as a whole."""

    def __call__(self) -> Awaitable[Mapping[str, float]]:
        """The highest score of each trace that has one, by id."""
        ...


async def no_scores() -> Mapping[str, float]:
    """Of what has none."""
    return {}


def paths_of(field: Field) -> tuple[str, ...]:
    """Where documents hold a field: what comes first hides the rest.

    Raises:
        InputError: nowhere that a store can look for it.
    """
    if isinstance(field, Attribute):
        places = PLACES.get(field.scope, ())
        return tuple(f"{place}.{field.name}" for place in places)
    if isinstance(field, TraceField) or field not in _FIELDS:
        raise InputError(f"{field} is nothing to search for")
    return (_FIELDS[field],)


async def filter_of(condition: Condition, values: Values, scores: Scores = no_scores) -> Filter:
    """The filter that holds where the condition does.

    Args:
        condition: of documents.
        values: that they have.
        scores: of the traces that they are of.

    Raises:
        TooManyValuesError: name the value, or search for less.
    """
    match condition:
        case Comparison():
            if condition.field is TraceField.ANOMALY_SCORE:
                return _scored(condition, await scores())
            return await _comparison(condition, values)
        case Both():
            return AllOf([await filter_of(condition.left, values, scores), await filter_of(condition.right, values, scores)])
        case Either():
            return AnyOf([await filter_of(condition.left, values, scores), await filter_of(condition.right, values, scores)])
        case Negated():
            return Not(await filter_of(condition.inner, values, scores))
        case Always():
            return AllOf([]) if condition.value else AnyOf([])


def _scored(comparison: Comparison, scores: Mapping[str, float]) -> Filter:
    """A condition on scores by the traces that have such, for these stand in other documents."""
    least = comparison.value.value
    if least is None:
        return (
            OneOf("trace_id", list(scores))
            if comparison.operator is Operator.NOT_EQUAL
            else Not(OneOf("trace_id", list(scores)))
        )
    holds = _ORDERS[comparison.operator]
    return OneOf("trace_id", [trace_id for trace_id, score in scores.items() if holds(score, float(least))])


_ORDERS = {Operator.GREATER: gt, Operator.AT_LEAST: ge, Operator.LESS: lt, Operator.AT_MOST: le}


async def _comparison(comparison: Comparison, values: Values) -> Filter:
    paths = paths_of(comparison.field)
    if comparison.value.type is ValueType.NIL:
        any_of = AnyOf([Exists(path) for path in paths])
        return any_of if comparison.operator is Operator.NOT_EQUAL else Not(any_of)
    filters = [await _at(path, comparison, values) for path in paths]
    if len(filters) == 1:
        return filters[0]
    hidden = [AllOf([Not(Exists(paths[0])), one]) for one in filters[1:]]
    return AnyOf([filters[0], *hidden])


async def _at(path: str, comparison: Comparison, values: Values) -> Filter:
    value = comparison.value.value
    if comparison.pattern is not None:
        return await _matching(path, comparison, values)
    if isinstance(value, int | float) and not isinstance(value, bool) and comparison.operator is not Operator.EQUAL:
        return _range(path, comparison.operator, value)
    if comparison.field is LogField.TEXT:
        return Contains(path, str(value))
    return OneOf(path, [] if value is None else [_stored(comparison.field, value)])


async def _matching(path: str, comparison: Comparison, values: Values) -> Filter:
    known = await values(path, MAX_VALUES + 1)
    if len(known) > MAX_VALUES:
        raise TooManyValuesError(f"{path} has more than {MAX_VALUES} values here: name the value, or less time")
    pattern = comparison.pattern
    found = [value for value in known if pattern is not None and pattern.fullmatch(_shown(comparison.field, value))]
    if len(found) > MAX_MATCHES:
        raise TooManyValuesError(f"more than {MAX_MATCHES} values of {path} match: name more of it, or less time")
    if not isinstance(comparison.field, Attribute):
        return OneOf(path, found)
    return OneOf(path, [one for value in found for one in candidates(value)])


def _shown(field: Field, value: str) -> str:
    return value.lower() if field in {Intrinsic.STATUS, Intrinsic.KIND} else value


def _stored(field: Field, value: Scalar) -> Scalar:
    """A value as documents have it."""
    if field in {Intrinsic.STATUS, Intrinsic.KIND}:
        return str(value).capitalize()
    length = _LENGTHS.get(field) if isinstance(field, Intrinsic) else None
    return value if length is None else str(value).lower().rjust(length, "0")


def _range(path: str, operator: Operator, value: float) -> Filter:
    """Whole numbers step by one, others to the next that there is."""
    after: float = value + 1 if isinstance(value, int) and path in _FIELDS.values() else math.nextafter(float(value), math.inf)
    match operator:
        case Operator.GREATER:
            return Range(path, at_least=after)
        case Operator.AT_LEAST:
            return Range(path, at_least=value)
        case Operator.LESS:
            return Range(path, below=value)
        case _:
            return Range(path, below=after)
