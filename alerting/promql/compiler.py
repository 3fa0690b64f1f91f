"""From the parser's tree to functions that evaluate it: one closure a node, types known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable

import promql_parser as ast

from alerting.promql import aggregate as aggregation
from alerting.promql import binary
from alerting.promql.histogram import histogram_quantile
from alerting.promql.matchers import Matcher, MatchType
from alerting.promql.range_functions import RANGE_FUNCTIONS, linear_regression, quantile
from alerting.promql.regex import Regex
from alerting.promql.rolled import ROLLED, over_rolled
from alerting.promql.selectors import (
    InstantSelector,
    Ranges,
    RangeSelector,
    Subquery,
    nanoseconds,
    seconds,
    selector_matchers,
    time_shift,
)
from alerting.promql.vector_functions import (
    CALENDAR,
    MATHEMATICS,
    clamped,
    each,
    label_join,
    label_replace,
    ordered,
    rounded,
    unique,
)
from alerting.promql.vectors import NAME, Instant, Reach, Vector, labels_of, nameless
from telemetry.errors import ConfigError

VectorNode = Callable[[Instant], Vector]
ScalarNode = Callable[[Instant], float]
RangeNode = Callable[[Instant], Ranges]

FUNCTIONS = frozenset(
    {
        *RANGE_FUNCTIONS, *MATHEMATICS, *CALENDAR,
        "absent", "absent_over_time", "clamp", "clamp_max", "clamp_min", "histogram_quantile", "label_join",
        "label_replace", "pi", "predict_linear", "quantile_over_time", "round", "scalar", "sort", "sort_desc", "time",
        "timestamp", "vector",
    }
)  # fmt: skip
"""Every function covered."""


def is_scalar(node: object) -> bool:
    """Whether an expression is one number and not a vector."""
    match node:
        case ast.NumberLiteral():
            return True
        case ast.ParenExpr() | ast.UnaryExpr():
            return is_scalar(node.expr)
        case ast.BinaryExpr():
            return is_scalar(node.lhs) and is_scalar(node.rhs)
        case ast.Call():
            return bool(node.func.return_type == ast.ValueType.Scalar)
        case _:
            return False


class Compiler:
    """Compiles one expression; `lookback` is then how far back it reads, ns, `selectors` what, and `reaches` both."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._behind = 0  # what enclosing subqueries reach back
        self.lookback = 0
        self.selectors: list[tuple[Matcher, ...]] = []
        self.reaches: list[Reach] = []

    def top(self, node: object) -> VectorNode:
        """A whole expression, which must give a vector or a scalar.

        Raises:
            ConfigError: it is something else, or uses what is not covered.
        """
        if is_scalar(node):
            number = self.scalar(node)
            return lambda instant: [((), number(instant))]
        return self.vector(node)

    def vector(self, node: object) -> VectorNode:
        """An expression that is an instant vector."""
        match node:
            case ast.VectorSelector():
                return InstantSelector(self._reach(node))
            case ast.ParenExpr():
                return self.vector(node.expr)
            case ast.UnaryExpr():
                inner = self.vector(node.expr)
                return lambda instant: unique(each(lambda value: -value, inner(instant)))
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.BinaryExpr():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
            case _:
                raise ConfigError(f"{_what(node)} where an instant vector or a scalar is needed")

    def scalar(self, node: object) -> ScalarNode:  # noqa: PLR0911  # one return a kind of node
        """An expression that is a number."""
        match node:
            case ast.NumberLiteral():
                constant = float(node.val)
                return lambda _instant: constant
            case ast.ParenExpr():
                return self.scalar(node.expr)
            case ast.UnaryExpr():
                inner = self.scalar(node.expr)
                return lambda instant: -inner(instant)
            case ast.BinaryExpr():
                left, right, op = self.scalar(node.lhs), self.scalar(node.rhs), str(node.op)
                return lambda instant: binary.scalar_operation(op, left(instant), right(instant))
            case ast.Call(func=func) if func.name == "time":
                return lambda instant: seconds(instant.at)
            case ast.Call(func=func) if func.name == "pi":
                return lambda _instant: math.pi
            case ast.Call(func=func) if func.name == "scalar":
                vector = self.vector(node.args[0])
                return lambda instant: _only(vector(instant))
            case ast.Call():
                raise ConfigError(f'function "{node.func.name}" is not covered')
            case _:
                raise ConfigError(f"{_what(node)} where a scalar is needed")

    def _reach(self, node: ast.VectorSelector, width: int = 0) -> Reach:
        matchers = selector_matchers(node)
        self.selectors.append(matchers)
        self.lookback = max(self.lookback, self._behind + width + nanoseconds(node.offset))
        shift = time_shift(node.at, node.offset)
        written = f"{node.at.type}{node.at.at}" if node.at is not None else ""
        reach = Reach(matchers, width, self._behind, f"{written} {nanoseconds(node.offset)}", shift)
        self.reaches.append(reach)
        return reach

    def ranges(self, node: object) -> RangeNode:
        """An expression that is a range of samples of each series."""
        match node:
            case ast.ParenExpr():
                return self.ranges(node.expr)
            case ast.MatrixSelector():
                return RangeSelector(self._reach(node.vector_selector, nanoseconds(node.range)))
            case ast.SubqueryExpr():
                width, step = nanoseconds(node.range), nanoseconds(node.step) if node.step else self._step
                behind = width + nanoseconds(node.offset)
                self._behind += behind
                inner = self.top(node.expr)
                self._behind -= behind
                return Subquery(inner, time_shift(node.at, node.offset), width, step)
            case _:
                raise ConfigError(f"{_what(node)} where a range is needed")

    def _aggregate(self, node: ast.AggregateExpr) -> VectorNode:
        op = str(node.op)
        inner = self.vector(node.expr)
        modifier = node.modifier
        by = modifier is None or modifier.type == ast.AggModifierType.By
        group = aggregation.grouping(by=by, names=[] if modifier is None else modifier.labels)
        if op in aggregation.AGGREGATES:
            reduce = aggregation.AGGREGATES[op]
            return lambda instant: aggregation.aggregate(inner(instant), group, reduce)
        if op in {"topk", "bottomk"}:
            k = self.scalar(node.param)
            return lambda instant: aggregation.extremes(inner(instant), group, k(instant), largest=op == "topk")
        if op == "quantile":
            q = self.scalar(node.param)
            return lambda instant: aggregation.quantiles(inner(instant), group, q(instant))
        if op == "count_values":
            label = _label_name(_string(node.param))
            return lambda instant: aggregation.count_values(inner(instant), group, label)
        raise ConfigError(f'aggregation "{op}" is not covered')

    def _binary(self, node: ast.BinaryExpr) -> VectorNode:
        op = str(node.op)
        modifier = node.modifier
        as_bool = modifier is not None and modifier.return_bool
        if modifier is not None and (modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None):
            raise ConfigError("fill values of vector matching are not covered")
        if op not in binary.ARITHMETIC and op not in binary.COMPARISONS and op not in binary.SET_OPERATORS:
            raise ConfigError(f'operator "{op}" is not covered')
        if is_scalar(node.rhs):
            vector, scalar = self.vector(node.lhs), self.scalar(node.rhs)
            return lambda instant: binary.vector_scalar(op, vector(instant), scalar(instant), swapped=False, as_bool=as_bool)
        if is_scalar(node.lhs):
            vector, scalar = self.vector(node.rhs), self.scalar(node.lhs)
            return lambda instant: binary.vector_scalar(op, vector(instant), scalar(instant), swapped=True, as_bool=as_bool)
        left, right, matching = self.vector(node.lhs), self.vector(node.rhs), _matching(modifier)
        if op in binary.SET_OPERATORS:
            return lambda instant: binary.set_operation(op, left(instant), right(instant), matching)
        return lambda instant: binary.vector_vector(op, left(instant), right(instant), matching, as_bool=as_bool)

    def _call(self, node: ast.Call) -> VectorNode:  # noqa: C901, PLR0911, PLR0912  # one line a function: the table of them
        name, args = node.func.name, node.args
        if name in RANGE_FUNCTIONS:
            return self._over_range(name, args[0])
        if name in MATHEMATICS:
            function, inner = MATHEMATICS[name], self.vector(args[0])
            return lambda instant: unique(each(function, inner(instant)))
        if name in CALENDAR:
            field = CALENDAR[name]
            times: VectorNode = self.vector(args[0]) if args else lambda instant: [((), seconds(instant.at))]
            return lambda instant: unique(each(field, times(instant)))
        match name:
            case "absent":
                return _absent(_known_labels(args[0]), self.vector(args[0]))
            case "absent_over_time":
                ranges = self.ranges(args[0])
                return _absent(_known_labels(args[0]), lambda instant: [((), 1.0)] if ranges(instant).windows else [])
            case "clamp":
                inner, least, most = self.vector(args[0]), self.scalar(args[1]), self.scalar(args[2])
                return lambda instant: unique(clamped(inner(instant), least(instant), most(instant)))
            case "clamp_max":
                inner, most = self.vector(args[0]), self.scalar(args[1])
                return lambda instant: unique(clamped(inner(instant), -math.inf, most(instant)))
            case "clamp_min":
                inner, least = self.vector(args[0]), self.scalar(args[1])
                return lambda instant: unique(clamped(inner(instant), least(instant), math.inf))
            case "histogram_quantile":
                q, inner = self.scalar(args[0]), self.vector(args[1])
                return lambda instant: histogram_quantile(q(instant), inner(instant))
            case "label_join":
                inner, target = self.vector(args[0]), _label_name(_string(args[1]))
                separator, sources = _string(args[2]), [_label_name(_string(arg)) for arg in args[3:]]
                return lambda instant: label_join(inner(instant), target, separator, sources)
            case "label_replace":
                inner, target, replacement = self.vector(args[0]), _label_name(_string(args[1])), _string(args[2])
                source, pattern = _string(args[3]), Regex.of(_string(args[4]), dot_all=True)
                return lambda instant: label_replace(inner(instant), target, replacement, source, pattern)
            case "predict_linear":
                ranges, ahead = self.ranges(args[0]), self.scalar(args[1])
                return lambda instant: _predicted(ranges(instant), instant.at, ahead(instant))
            case "quantile_over_time":
                q, ranges = self.scalar(args[0]), self.ranges(args[1])
                return lambda instant: _quantiles(ranges(instant), q(instant))
            case "round":
                inner = self.vector(args[0])
                nearest: ScalarNode = self.scalar(args[1]) if len(args) > 1 else lambda _instant: 1.0
                return lambda instant: unique(rounded(inner(instant), nearest(instant)))
            case "sort" | "sort_desc":
                inner = self.vector(args[0])
                return lambda instant: ordered(inner(instant), descending=name == "sort_desc")
            case "timestamp":
                return self._timestamp(args[0])
            case "vector":
                number = self.scalar(args[0])
                return lambda instant: [((), number(instant))]
            case _:
                raise ConfigError(f'function "{name}" is not covered')

    def _over_range(self, name: str, arg: object) -> VectorNode:
        ranges, function = self.ranges(arg), RANGE_FUNCTIONS[name]
        keeps_name = name == "last_over_time"
        selector = ranges if isinstance(ranges, RangeSelector) and name in ROLLED else None

        def evaluate(instant: Instant) -> Vector:
            rolled = selector.rolled(instant) if selector is not None else None
            if rolled is not None:
                return unique(over_rolled(name, rolled))
            found = ranges(instant)
            result: Vector = []
            for window in found.windows:
                value = function(window.times, window.values, found.start, found.end)
                if value is not None:
                    result.append((window.labels if keeps_name else window.bare, value))
            return unique(result)

        return evaluate

    def _timestamp(self, arg: object) -> VectorNode:
        while isinstance(arg, ast.ParenExpr):
            arg = arg.expr
        if isinstance(arg, ast.VectorSelector):
            selector = InstantSelector(self._reach(arg))
            return lambda instant: unique([(nameless(labels), seconds(time)) for labels, time, _ in selector.samples(instant)])
        inner = self.vector(arg)
        return lambda instant: unique([(nameless(labels), seconds(instant.at)) for labels, _ in inner(instant)])


def _what(node: object) -> str:
    match node:
        case ast.StringLiteral():
            return "a string"
        case ast.MatrixSelector() | ast.SubqueryExpr():
            return "a range"
        case ast.NumberLiteral():
            return "a scalar"
        case _:
            return "an instant vector"


def _string(node: object) -> str:
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if not isinstance(node, ast.StringLiteral):
        raise ConfigError(f"{_what(node)} where a string is needed")
    return str(node.val)


def _label_name(name: str) -> str:
    if not (name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()):
        raise ConfigError(f'"{name}" is not a label name')
    return name


def _only(vector: Vector) -> float:
    return vector[0][1] if len(vector) == 1 else math.nan


def _matching(modifier: ast.BinModifier | None) -> binary.Matching:
    if modifier is None:
        return binary.Matching()
    found = modifier.matching
    return binary.Matching(
        on=found is not None and found.type == ast.LabelModifierType.Include,
        names=frozenset(found.labels) if found is not None else frozenset(),
        group_left=modifier.card == ast.VectorMatchCardinality.ManyToOne,
        group_right=modifier.card == ast.VectorMatchCardinality.OneToMany,
        include=tuple(modifier.group_labels or ()),
    )


def _known_labels(node: object) -> dict[str, str]:
    """The labels that an absent series would have. As in Prometheus, a first `=` sets a label, any other matcher removes it."""
    selector = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    if not isinstance(selector, ast.VectorSelector):
        return {}
    known: dict[str, str] = {}
    seen = {NAME}
    for matcher in selector_matchers(selector):
        if matcher.type is MatchType.EQUAL and matcher.name not in seen:
            known[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            known.pop(matcher.name, None)
    return known


def _absent(known: dict[str, str], inner: VectorNode) -> VectorNode:
    labels = labels_of(known)
    return lambda instant: [] if inner(instant) else [(labels, 1.0)]


def _predicted(ranges: Ranges, at: int, ahead: float) -> Vector:
    result: Vector = []
    for window in ranges.windows:
        if len(window.values) >= 2:
            slope, intercept = linear_regression(window.times, window.values, at)
            result.append((window.bare, slope * ahead + intercept))
    return unique(result)


def _quantiles(ranges: Ranges, q: float) -> Vector:
    return unique([(window.bare, quantile(q, window.values)) for window in ranges.windows])
