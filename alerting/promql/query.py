"""Expressions as somebody asks them over HTTP: of any type, at a time or at each step of a range."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import promql_parser as ast

from alerting.promql.compiler import Compiler, is_scalar
from alerting.promql.expression import LOOKBACK, PromqlError, not_covered, parse
from alerting.promql.vectors import Instant
from components.durations import MINUTE
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.promql.selectors import Ranges
    from alerting.promql.vectors import Past, Reach, Source, Vector, Window


class ResultType(StrEnum):
    """The value of an expression."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled expression of any type; `text` is the value of a string."""

    type: ResultType
    text: str = ""
    reaches: tuple[Reach, ...] = field(default=(), repr=False)
    _vector: Callable[[Instant], Vector] | None = field(default=None, repr=False)
    _ranges: Callable[[Instant], Ranges] | None = field(default=None, repr=False)

    def vector(
        self, source: Source, at: int, start: int, end: int, go_on: Callable[[], None], past: Past | None = None
    ) -> Vector:
        """The value at a time of a query from `start` to `end`, ns; a scalar is one element without labels.

        `go_on` may raise, see `Instant`.

        Raises:
            EvaluationError: these samples have no answer.
            PromqlError: its value is a range or text.
        """
        if self._vector is None:
            raise PromqlError(
                f"invalid expression type {_NAMES[self.type]!r} for range query, must be Scalar or instant Vector"
            )
        return self._vector(Instant(source, at, start, end, LOOKBACK, go_on, past))

    def windows(self, source: Source, at: int, go_on: Callable[[], None], past: Past | None = None) -> list[Window]:
        """The samples of the range that ends at a time, of a query whose value is one."""
        if self._ranges is None:
            return []
        return self._ranges(Instant(source, at, at, at, LOOKBACK, go_on, past)).windows


_NAMES = {ResultType.MATRIX: "range vector", ResultType.STRING: "string"}


def compile_query(text: str, step: int = MINUTE) -> Query:
    """Parse and compile.

    Args:
        text: PromQL.
        step: resolution of subqueries that name none, in nanoseconds.

    Raises:
        PromqlError: wrong syntax or type, or something that the evaluator does not cover.
    """
    compiler = Compiler(step)
    try:
        tree = inner = parse(text)
        while isinstance(inner, ast.ParenExpr):
            inner = inner.expr
        if isinstance(inner, ast.StringLiteral):
            return Query(ResultType.STRING, inner.val)
        if isinstance(inner, ast.MatrixSelector | ast.SubqueryExpr):
            ranges = compiler.ranges(inner)
            return Query(ResultType.MATRIX, reaches=tuple(compiler.reaches), _ranges=ranges)
        kind = ResultType.SCALAR if is_scalar(tree) else ResultType.VECTOR
        vector = compiler.top(tree)
        return Query(kind, reaches=tuple(compiler.reaches), _vector=vector)
    except PromqlError as error:
        raise _with_place(text, error) from None
    except ConfigError as error:
        raise _with_place(text, not_covered(text, str(error))) from None


def _with_place(text: str, error: PromqlError) -> PromqlError:
    """An error with line and column in front, as Prometheus answers."""
    if error.at is None:
        return error
    line, column = text.count("\n", 0, error.at) + 1, error.at - text.rfind("\n", 0, error.at)
    return PromqlError(f"{line}:{column}: parse error: {error}", error.at)
