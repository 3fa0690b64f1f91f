"""PromQL expressions, compiled once and evaluated at any time. What is not covered is refused when compiling.

The parser is promql-parser; the semantics are those of Prometheus 3: ranges and the lookback exclude their beginning, and
a dot in a regular expression is any character.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import promql_parser

from alerting.promql.compiler import FUNCTIONS, Compiler
from alerting.promql.places import find_mistake, parse_text
from alerting.promql.selectors import selector_matchers
from alerting.promql.vectors import Instant
from components.durations import MINUTE
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Past, Reach, Source, Vector

LOOKBACK = 5 * MINUTE
"""How far back an instant selector looks for a sample: Prometheus's default."""
MAX_LENGTH = 16_384
"""Longest expression, in characters."""
MAX_DEPTH = 100
"""Deepest nesting of brackets. The parser recurses on the machine's stack, which ends the process where it is too small."""
MAX_OPERATORS = 250
"""Most operators, signs and matchers, for the same reason."""


class PromqlError(ConfigError):
    """An expression that cannot be parsed or is not covered; `at` is the first character of what is wrong, if that is known."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    lookback: int  # how far back it reads, in nanoseconds, beside the lookback of instant selectors and fixed times (`@`)
    selectors: tuple[tuple[Matcher, ...], ...]  # the series that it reads
    reaches: tuple[Reach, ...] = field(repr=False, compare=False)  # what each selector reads
    _evaluate: Callable[[Instant], Vector] = field(repr=False, compare=False)

    def evaluate(self, source: Source, at: int, lookback: int = LOOKBACK, past: Past | None = None) -> Vector:
        """The instant vector at a time (ns); a scalar is one element without labels.

        Raises:
            EvaluationError: these samples have no answer, such as many-to-many matches.
        """
        return self._evaluate(Instant(source, at, at, at, lookback, past=past))


def compile_expression(text: str, step: int = MINUTE) -> Expression:
    """Parse and compile.

    Args:
        text: PromQL.
        step: resolution of subqueries that name none, in nanoseconds.

    Raises:
        PromqlError: wrong syntax or type, or something that the evaluator does not cover.
    """
    tree = parse(text)
    try:
        compiler = Compiler(step)
        evaluate = compiler.top(tree)
    except ConfigError as error:
        raise not_covered(text, str(error)) from None
    return Expression(text, compiler.lookback, tuple(compiler.selectors), tuple(compiler.reaches), evaluate)


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of `name{label="value"}`, that of the name among them.

    Raises:
        PromqlError: not a selector, or one with a range, an offset or a time.
    """
    try:
        tree = _tree(text)
        if not isinstance(tree, promql_parser.VectorSelector) or tree.offset is not None or tree.at is not None:
            raise PromqlError("not a name with labels")
        return selector_matchers(tree)
    except ValueError as error:
        raise PromqlError(str(error)) from None


def parse(text: str) -> object:
    """The parser's tree of an expression.

    Raises:
        PromqlError: wrong syntax, or more of it than the parser can take.
    """
    try:
        return _tree(text)
    except ValueError as error:
        at, reason = find_mistake(text, str(error), _parsed)
        raise PromqlError(_in_words(reason), at) from None


def not_covered(text: str, reason: str) -> PromqlError:
    """What a compiler says of a text that can be parsed, with the place."""
    return PromqlError(reason, find_mistake(text, reason, _compiled)[0])


def _parsed(text: str) -> str:
    try:
        parse_text(text)
    except ValueError as error:
        return str(error)
    return ""


def _compiled(text: str) -> str:
    try:
        Compiler(MINUTE).top(parse_text(text))
    except (ConfigError, ValueError) as error:
        return str(error)
    return ""


def _tree(text: str) -> object:
    if len(text) > MAX_LENGTH:
        raise PromqlError(f"{len(text)} characters; at most {MAX_LENGTH}")
    if _depth(text) > MAX_DEPTH:
        raise PromqlError(f"brackets nested deeper than {MAX_DEPTH}")
    if len(_OPERATOR.findall(_STRING.sub("", text))) > MAX_OPERATORS:
        raise PromqlError(f"more than {MAX_OPERATORS} operators in one expression; split it with recording rules")
    if _BEFORE_1970.search(_STRING.sub("", text)):
        raise PromqlError("@: a time before 1970 is not covered")  # to read it from the tree panics in the parser
    return parse_text(text)


# One without an end counts to the end of the text: to look for its end again at each quote would be quadratic.
_STRING = re.compile(r'"(?:\\.|[^"\\])*+"?|\'(?:\\.|[^\'\\])*+\'?|`[^`]*+`?', re.DOTALL)
_BEFORE_1970 = re.compile(r"^[^#\n]*@\s*-\s*[0-9.]", re.MULTILINE)
_OPERATOR = re.compile(r"[-+*/%^=<>!]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in _STRING.sub("", text):
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


_TYPES = {"vector": "instant vector", "matrix": "range vector"}


def _in_words(reason: str) -> str:
    """What the parser says, as Prometheus says it, and what was probably meant."""
    found = re.fullmatch(r"unknown function with name '(.*)'", reason)
    if found is None:
        of_types = reason.startswith("expected type")
        return re.sub(r"\b(?:vector|matrix)\b", lambda name: _TYPES[name[0]], reason) if of_types else reason
    close = difflib.get_close_matches(found[1], FUNCTIONS, n=1)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    return f'unknown function "{found[1]}"{hint}'
