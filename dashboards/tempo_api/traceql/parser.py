"""TraceQL queries: one selection of spans, or several joined by `||`, with the fields to show."""

from __future__ import annotations

import re

from alerting.promql.regex import Regex, RegexError
from components.durations import HOUR, MINUTE, SECOND
from dashboards.tempo_api.traceql.syntax import (
    INTRINSICS,
    KINDS,
    STATUSES,
    TYPES,
    Always,
    Attribute,
    AttributeScope,
    Both,
    Comparison,
    Condition,
    Either,
    Field,
    Intrinsic,
    Negated,
    Operator,
    SpanSelection,
    Value,
    ValueType,
)
from dashboards.tempo_api.traceql.tokens import Token, TokenKind, TraceQLError, tokens

MAX_DEPTH = 40
"""Parentheses and negations within each other."""

MAX_CONDITIONS = 100
"""Comparisons in a query."""

_OPERATORS = {str(operator): operator for operator in Operator}
_FLIPPED = {
    Operator.LESS: Operator.GREATER,
    Operator.GREATER: Operator.LESS,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.AT_MOST,
}
_REGEX = {Operator.REGEX, Operator.NOT_REGEX}
_EQUALITY = {Operator.EQUAL, Operator.NOT_EQUAL}
_NUMBERS = {ValueType.INT, ValueType.FLOAT, ValueType.DURATION}
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": 24 * HOUR,
}
_DURATION_PART = re.compile(r"([0-9.]+)([a-zµμ]+)")
_STRUCTURAL = {">", ">>", "<", "<<", "~", "!>>", "!<<", "&>>", "&<<", "!~", "!"}
_NOT_HERE = {
    "parent": "attributes of the parent span",
    "rootName": "fields of whole traces",
    "rootServiceName": "fields of whole traces",
    "traceDuration": "fields of whole traces",
    "childCount": "the number of children",
    "nestedSetParent": "the place of a span in its trace",
    "nestedSetLeft": "the place of a span in its trace",
    "nestedSetRight": "the place of a span in its trace",
}


def parse(text: str) -> SpanSelection:
    """A query.

    Raises:
        TraceQLError: it is wrong, or asks for what is not here.
    """
    return _Parser(text).query()


def parse_field(text: str) -> Field:
    """One field, as in the address of its values.

    Raises:
        TraceQLError: it is none.
    """
    parser = _Parser(text)
    found = parser.field()
    parser.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._next, self._comparisons = text, tokens(text), 0, 0

    def query(self) -> SpanSelection:
        condition = self._spanset()
        while self._accept("||"):
            condition = Either(condition, self._spanset())
        shown: tuple[Field, ...] = ()
        while self._accept("|"):
            shown += self._stage()
        token = self._token
        if token.text == "&&":
            raise self._refused(token, "conditions on several spans of a trace ({...} && {...}) are not supported")
        if token.text in _STRUCTURAL:
            raise self._refused(token, f"structural operators ({token.text}) are not supported")
        if token.text == "with":
            raise self._refused(token, "hints (with) are not supported")
        self.end()
        return SpanSelection(condition, shown)

    def end(self) -> None:
        if self._token.kind is not TokenKind.END:
            raise self._unexpected("the end of the query")

    def _spanset(self) -> Condition:
        if self._token.text == "(":
            raise self._refused(self._token, "parentheses around {...} are not supported")
        self._expect("{")
        condition: Condition = Always()
        if self._token.text != "}":
            condition = self._either(0)
        self._expect("}")
        return condition

    def _stage(self) -> tuple[Field, ...]:
        token = self._take()
        if token.text != "select":
            raise self._refused(token, f"of what may follow |, only select(...) is supported, not {token.text or token.kind}")
        self._expect("(")
        shown = [self.field()]
        while self._accept(","):
            shown.append(self.field())
        self._expect(")")
        return tuple(shown)

    def _either(self, depth: int) -> Condition:
        found = self._both(depth)
        while self._accept("||"):
            found = Either(found, self._both(depth))
        return found

    def _both(self, depth: int) -> Condition:
        found = self._single(depth)
        while self._accept("&&"):
            found = Both(found, self._single(depth))
        return found

    def _single(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise self._refused(self._token, f"more than {MAX_DEPTH} parentheses within each other")
        if self._accept("!"):
            return Negated(self._single(depth + 1))
        if self._accept("("):
            found = self._either(depth + 1)
            self._expect(")")
            return found
        return self._comparison()

    def _comparison(self) -> Condition:
        self._comparisons += 1
        start = self._token
        if self._comparisons > MAX_CONDITIONS:
            raise self._refused(start, f"more than {MAX_CONDITIONS} conditions")
        left = self._operand()
        token = self._token
        operator = _OPERATORS.get(token.text) if token.kind is TokenKind.OPERATOR else None
        if operator is None:
            if token.text in {"+", "-", "*", "/", "%", "^"}:
                raise self._refused(token, f"arithmetic ({token.text}) is not supported")
            if isinstance(left, Value) and isinstance(left.value, bool):
                return Always(left.value)
            if isinstance(left, Attribute):
                return Comparison(left, Operator.EQUAL, Value(ValueType.BOOL, True))
            raise self._unexpected("a comparison, such as = or >")
        self._next += 1
        right = self._operand()
        if isinstance(left, Value) and not isinstance(right, Value):
            left, right, operator = right, left, _FLIPPED.get(operator, operator)
        if isinstance(left, Value) or not isinstance(right, Value):
            raise self._refused(start, "a comparison is of a field with a value")
        return self._checked(start, left, operator, right)

    def _checked(self, start: Token, field: Field, operator: Operator, value: Value) -> Comparison:
        type_ = TYPES.get(field, ValueType.STRING) if isinstance(field, Intrinsic) else None
        fits = (
            value.type in {type_, ValueType.NIL}
            or (type_ is None and value.type not in {ValueType.STATUS, ValueType.KIND})
            or (type_ is ValueType.DURATION and value.type in _NUMBERS)
        )
        if not fits:
            raise self._refused(start, f"{field} is compared with a {type_ or 'value'}, not with a {value.type}")
        if operator in _REGEX:
            if value.type is not ValueType.STRING:
                raise self._refused(start, f"{operator} needs a text, not a {value.type}")
            try:
                return Comparison(field, operator, value, Regex.of(str(value.value)))
            except RegexError as error:
                raise self._refused(start, str(error)) from None
        if operator not in _EQUALITY and value.type not in {*_NUMBERS, ValueType.STRING}:
            raise self._refused(start, f"a {value.type} has no order: {operator} is not possible")
        return Comparison(field, operator, value)

    def _operand(self) -> Field | Value:
        token = self._token
        negative = token.text == "-" and token.kind is TokenKind.OPERATOR
        if negative:
            self._next += 1
            token = self._token
        if token.kind in {TokenKind.NUMBER, TokenKind.DURATION}:
            self._next += 1
            return self._number(token, -1 if negative else 1)
        if negative:
            raise self._unexpected("a number")
        if token.kind is TokenKind.STRING:
            self._next += 1
            return Value(ValueType.STRING, token.text)
        if token.kind is TokenKind.WORD:
            named = _named(token.text)
            if named is not None:
                self._next += 1
                return named
        return self.field()

    def _number(self, token: Token, sign: int) -> Value:
        if token.kind is TokenKind.DURATION:
            parts = _DURATION_PART.findall(token.text)
            found = sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
            if found >= 2**63:
                raise self._refused(token, f"{token.text} is longer than 292 years")
            return Value(ValueType.DURATION, sign * found)
        if token.text.isdecimal():
            whole = sign * int(token.text)
            if not -(2**63) <= whole < 2**63:
                raise self._refused(token, f"{token.text} has more than 64 bits")
            return Value(ValueType.INT, whole)
        fraction = float(token.text)
        if fraction == float("inf"):
            raise self._refused(token, f"{token.text} is too large")
        return Value(ValueType.FLOAT, sign * fraction)

    def field(self) -> Field:
        begin = self._next
        token = self._take()
        if token.kind is TokenKind.ATTRIBUTE:
            return Attribute(AttributeScope(token.scope), token.text)
        if token.kind is TokenKind.WORD:
            if token.text in INTRINSICS:
                return INTRINSICS[token.text]
            scope, colon, name = token.text.partition(":")
            reason = _NOT_HERE.get(name or scope) or ("fields of whole traces" if colon and scope == "trace" else "")
            if reason:
                raise self._refused(token, f"{reason} ({token.text}) are not supported")
            known = "span., resource., event., link., instrumentation. or ."
            raise self._refused(token, f"unknown field {token.text}: attributes begin with {known}")
        self._next = begin
        raise self._unexpected("a field or a value")

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind is not TokenKind.END
        return token

    def _accept(self, text: str) -> bool:
        found = self._token.kind is TokenKind.OPERATOR and self._token.text == text
        self._next += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(text)

    def _unexpected(self, wanted: str) -> TraceQLError:
        token = self._token
        shown = token.kind if token.kind is TokenKind.END else repr(token.text[:50])
        return self._refused(token, f"unexpected {shown}, expected {wanted}")

    def _refused(self, token: Token, reason: str) -> TraceQLError:
        return TraceQLError(self._text, token.offset, reason)


def _named(word: str) -> Value | None:
    if word in {"true", "false"}:
        return Value(ValueType.BOOL, word == "true")
    if word == "nil":
        return Value(ValueType.NIL, None)
    if word in STATUSES:
        return Value(ValueType.STATUS, word)
    return Value(ValueType.KIND, word) if word in KINDS else None
