"""Binary operators between scalars and instant vectors. Matching and labels of results follow Prometheus 3."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.promql.range_functions import divide
from alerting.promql.vectors import NAME, EvaluationError, labels_of, nameless, only, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.promql.vectors import Labels, Vector


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:  # zero to a negative power
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


def _modulo(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "%": _modulo,
    "^": _power,
    "atan2": math.atan2,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
SET_OPERATORS = frozenset(("and", "or", "unless"))


@dataclass(frozen=True, slots=True)
class Matching:
    """How elements of two vectors find each other."""

    on: bool = False
    names: frozenset[str] = frozenset()
    group_left: bool = False  # group_left
    group_right: bool = False  # group_right
    include: tuple[str, ...] = ()

    def key(self, labels: Labels) -> Labels:
        """What must be equal on both sides."""
        return only(labels, self.names) if self.on else without(labels, {*self.names, NAME})


def scalar_operation(op: str, a: float, b: float) -> float:
    """Both sides scalars; a comparison yields 0 or 1."""
    return ARITHMETIC[op](a, b) if op in ARITHMETIC else float(COMPARISONS[op](a, b))


def vector_scalar(op: str, vector: Vector, scalar: float, *, swapped: bool, as_bool: bool) -> Vector:
    """One side a scalar; `swapped` where it is the left one. A comparison keeps the vector's elements for which it holds."""
    if op in ARITHMETIC:
        compute = ARITHMETIC[op]
        if swapped:
            return [(nameless(labels), compute(scalar, value)) for labels, value in vector]
        return [(nameless(labels), compute(value, scalar)) for labels, value in vector]
    holds = COMPARISONS[op]
    if as_bool:
        return [
            (nameless(labels), float(holds(scalar, value) if swapped else holds(value, scalar))) for labels, value in vector
        ]
    return [(labels, value) for labels, value in vector if (holds(scalar, value) if swapped else holds(value, scalar))]


def set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """`and`, `or`, `unless`: whole elements of either side."""
    if op == "or":
        known = {matching.key(labels) for labels, _ in left}
        return left + [element for element in right if matching.key(element[0]) not in known]
    known = {matching.key(labels) for labels, _ in right}
    return [element for element in left if (matching.key(element[0]) in known) == (op == "and")]


def vector_vector(op: str, left: Vector, right: Vector, matching: Matching, *, as_bool: bool) -> Vector:
    """Both sides vectors, one to one or many to one.

    Raises:
        EvaluationError: more than one element matches where only one may.
    """
    swapped = matching.group_right
    many, one = (right, left) if swapped else (left, right)
    partners: dict[Labels, tuple[Labels, float]] = {}
    for labels, value in one:
        key = matching.key(labels)
        if key in partners:
            side = "left" if swapped else "right"
            raise EvaluationError(
                f"found duplicate series for the match group {_text(key)} on the {side} hand-side of the operation: "
                f"{_text(labels)} and {_text(partners[key][0])}; many-to-many matching is not possible"
            )
        partners[key] = (labels, value)
    grouped = matching.group_left or matching.group_right
    drop_name = as_bool or op in ARITHMETIC
    result: Vector = []
    seen: set[Labels] = set()
    for labels, value in many:
        key = matching.key(labels)
        partner = partners.get(key)
        if partner is None:
            continue
        a, b = (partner[1], value) if swapped else (value, partner[1])
        if op in ARITHMETIC:
            outcome = ARITHMETIC[op](a, b)
        else:
            holds = COMPARISONS[op](a, b)
            if not holds and not as_bool:
                continue
            outcome = float(holds) if as_bool else a
        out = _result_labels(labels, partner[0], matching, drop_name=drop_name, grouped=grouped)
        identity = out if grouped else key
        if identity in seen:
            reason = "grouping labels must ensure unique matches" if grouped else "many-to-one matching must be explicit"
            raise EvaluationError(f"multiple matches for labels {_text(identity)}: {reason} (group_left, group_right)")
        seen.add(identity)
        result.append((out, outcome))
    return result


def _result_labels(many: Labels, one: Labels, matching: Matching, *, drop_name: bool, grouped: bool) -> Labels:
    labels = nameless(many) if drop_name else many
    if not grouped:
        return only(labels, matching.names) if matching.on else without(labels, matching.names)
    if matching.include:
        extra = dict(one)
        return labels_of(dict(labels) | {name: extra.get(name, "") for name in matching.include})
    return labels


def _text(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"
