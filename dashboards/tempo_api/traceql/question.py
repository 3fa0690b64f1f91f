"""A condition as filters of the store: they find all that meets the condition, and as little else as they can say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dashboards.tempo_api.traceql.stored import FIELDS, LENGTHS, PLACES
from dashboards.tempo_api.traceql.syntax import (
    Always,
    Attribute,
    Both,
    Comparison,
    Either,
    Intrinsic,
    Operator,
    ValueType,
)
from stores.store import AllOf, AnyOf, OneOf, Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.tempo_api.traceql.syntax import Condition, Field
    from stores.store import Filter, Scalar

_LITERALS = re.compile(r"[\w /:@-]+(?:\|[\w /:@-]+)*", re.ASCII)
"""Texts joined by |, as Grafana writes a choice of several."""


def filters_of(condition: Condition) -> list[Filter]:
    """Filters that hold for every span that meets the condition."""
    found = _filter(condition)
    return [] if found is None else [found]


def _filter(condition: Condition) -> Filter | None:
    """The filter; None where all may meet the condition."""
    match condition:
        case Comparison():
            return _compared(condition)
        case Both():
            both = [found for part in (condition.left, condition.right) if (found := _filter(part)) is not None]
            return AllOf(both) if both else None
        case Either():
            left, right = _filter(condition.left), _filter(condition.right)
            return None if left is None or right is None else AnyOf([left, right])
        case Always(value=False):
            return AnyOf([])
        case _:
            return None


def _compared(comparison: Comparison) -> Filter | None:
    names = _names(comparison.field)
    if not names or comparison.value.type is ValueType.NIL:
        return None
    value = comparison.value.value
    if comparison.operator is Operator.REGEX and _LITERALS.fullmatch(str(value)):
        return _one_of(comparison.field, names, str(value).split("|"))
    if comparison.operator is Operator.EQUAL and value is not None:
        return _one_of(comparison.field, names, [value])
    ends = _ends(comparison.operator, value) if isinstance(value, int | float) else None
    return AnyOf([Range(name, *ends) for name in names]) if ends else None


def _ends(operator: Operator, value: float) -> tuple[float | None, float | None] | None:
    """The range that a comparison leaves, a little wider where a filter cannot say it exactly."""
    if operator in {Operator.LESS, Operator.AT_MOST}:
        return None, _above(value)
    return (_below(value), None) if operator in {Operator.GREATER, Operator.AT_LEAST} else None


def _below(value: float) -> float:
    return float(value) - max(1.0, abs(value) * 1e-9)


def _above(value: float) -> float:
    return float(value) + max(1.0, abs(value) * 1e-9)


def _names(field: Field) -> Sequence[str]:
    if isinstance(field, Attribute):
        return [f"{place}.{field.name}" for place in PLACES.get(field.scope, ())]
    return (FIELDS[field],) if isinstance(field, Intrinsic) and field in FIELDS else ()


def _one_of(field: Field, names: Sequence[str], values: Sequence[Scalar]) -> Filter:
    if field in {Intrinsic.STATUS, Intrinsic.KIND}:
        values = [str(value).capitalize() for value in values]
    elif isinstance(field, Intrinsic) and field in LENGTHS:
        values = [str(value).lower().lstrip("0").rjust(LENGTHS[field], "0") for value in values]
    filters: list[Filter] = [OneOf(name, values) for name in names]
    return filters[0] if len(filters) == 1 else AnyOf(filters)
