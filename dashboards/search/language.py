"""The console's query language: `service=payment and duration>500ms and http.response.status_code>=500`.

A search becomes a condition of TraceQL's model, so that there is one meaning of it. Beyond TraceQL's own language a value needs
no quotes and no type: `500` is the number and the text.
"""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from functools import reduce
from typing import TYPE_CHECKING

from alerting.promql.regex import Regex, RegexError
from dashboards.read_models.attribute_values import candidates
from dashboards.read_models.parameters import ParameterRefusedError, go_duration
from dashboards.search.tokens import SearchTextError, Token, TokenType, tokens
from dashboards.search.vocabulary import SPANS
from dashboards.tempo_api.traceql.syntax import (
    KINDS,
    STATUSES,
    Always,
    Both,
    Comparison,
    Either,
    Intrinsic,
    LogField,
    Negated,
    Operator,
    TraceField,
    Value,
    ValueType,
)

if TYPE_CHECKING:
    from dashboards.search.vocabulary import Vocabulary
    from dashboards.tempo_api.traceql.syntax import Condition, Field

MAX_CONDITIONS = 50
"""Comparisons and words of a search."""

MAX_DEPTH = 20
"""Parentheses and negations within each other."""

SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
"""The least number of each, as OpenTelemetry numbers them: each has four."""

_OPERATORS = {str(operator): operator for operator in Operator} | {"==": Operator.EQUAL}
_ORDERS = {Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST}
_IDS = {Intrinsic.TRACE_ID: 32, Intrinsic.SPAN_ID: 16, Intrinsic.PARENT_ID: 16}
_HEX = re.compile(r"[0-9a-fA-F]+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse(text: str, vocabulary: Vocabulary = SPANS) -> Condition:
    """The condition of a search; of an empty one: any.

    Raises:
        SearchTextError: says where the mistake is, and what may have been meant.
    """
    return _Parser(text, vocabulary).search()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._tokens, self._next, self._conditions, self._vocabulary = tokens(text), 0, 0, vocabulary

    def search(self) -> Condition:
        if self._token.type is TokenType.END and not self._token.length:
            return Always()
        condition = self._either(0)
        token = self._token
        if token.type is TokenType.CLOSE:
            raise _wrong(token, "this parenthesis closes nothing")
        if token.type is not TokenType.END:
            raise _wrong(token, f"unexpected {token.text!r}")
        return condition

    def _either(self, depth: int) -> Condition:
        found = [self._both(depth)]
        while self._accept(TokenType.OR):
            found.append(self._both(depth))
        return reduce(Either, found)

    def _both(self, depth: int) -> Condition:
        found = [self._single(depth)]
        while self._accept(TokenType.AND) or self._token.type in {
            TokenType.TEXT,
            TokenType.QUOTED,
            TokenType.OPEN,
            TokenType.NOT,
        }:
            found.append(self._single(depth))
        return reduce(Both, found)

    def _single(self, depth: int) -> Condition:
        token = self._take()
        if depth > MAX_DEPTH:
            raise _wrong(token, f"more than {MAX_DEPTH} parentheses within each other")
        match token.type:
            case TokenType.NOT:
                return Negated(self._single(depth + 1))
            case TokenType.OPEN:
                found = self._either(depth + 1)
                if not self._accept(TokenType.CLOSE):
                    raise _wrong(self._token, "a closing parenthesis is missing", ")")
                return found
            case TokenType.TEXT | TokenType.QUOTED:
                return self._condition(token)
            case TokenType.OPERATOR:
                raise _wrong(token, f"before {token.text} the name of a field is missing")
            case _:
                raise _wrong(token, "expected a condition, such as service=payment, or a word")

    def _condition(self, name: Token) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise _wrong(name, f"more than {MAX_CONDITIONS} conditions")
        if self._token.type is not TokenType.OPERATOR:
            return self._word(name)
        operator, value = self._take(), self._take()
        if value.type not in {TokenType.TEXT, TokenType.QUOTED}:
            raise _wrong(value, f"after {name.text}{operator.text} a value is missing")
        if value.type is TokenType.TEXT and value.text.lower() in {"and", "or"}:
            raise _wrong(value, f"after {name.text}{operator.text} a value is missing, or quotes around it")
        return _compared(self._vocabulary.field(name.text), name, _OPERATORS[operator.text], value)

    def _word(self, name: Token) -> Condition:
        if not name.text.strip():
            raise _wrong(name, "an empty text finds nothing")
        field, colon, value = name.text.partition(":")
        if name.type is TokenType.TEXT and colon and (field in self._vocabulary.fields or "." in field):
            raise _wrong(name, "a condition is written with =", f"{field}={value}")
        return self._vocabulary.word(name.text)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.type is not TokenType.END
        return token

    def _accept(self, type_: TokenType) -> bool:
        found = self._token.type is type_
        self._next += found
        return found


def _wrong(token: Token, reason: str, did_you_mean: str = "") -> SearchTextError:
    return SearchTextError(reason, token.at, max(1, token.length), did_you_mean)


def _compared(field: Field, name: Token, operator: Operator, value: Token) -> Condition:
    if value.type is TokenType.TEXT and value.text == "nil" and operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
        return Comparison(field, operator, Value(ValueType.NIL, None))
    if operator in {Operator.REGEX, Operator.NOT_REGEX}:
        return _negated_if(operator is Operator.NOT_REGEX, field, _matching(field, name, value))
    if field is TraceField.ANOMALY_SCORE:
        return Comparison(field, operator, _score(name, operator, value))
    if field is LogField.SEVERITY:
        return _severity(operator, value)
    if operator in _ORDERS:
        return Comparison(field, operator, _ordered(field, name, value))
    return _negated_if(operator is Operator.NOT_EQUAL, field, _equal(field, value))


def _negated_if(negated: bool, field: Field, condition: Condition) -> Condition:  # noqa: FBT001  of no other use
    """What `!=` says: there is a value, and none is that."""
    return Both(Comparison(field, Operator.NOT_EQUAL, Value(ValueType.NIL, None)), Negated(condition)) if negated else condition


def _score(name: Token, operator: Operator, value: Token) -> Value:
    """A score is the result of a calculation: nobody knows which exactly."""
    if operator not in _ORDERS:
        raise _wrong(name, f"{name.text} is compared by >, >=, < or <=", f"{name.text}>={value.text}")
    number = float(value.text) if _NUMBER.fullmatch(value.text) else math.nan
    if not 0 <= number <= 1:
        raise _wrong(value, f"{value.text[:50]!r} is no score: they are from 0 to 1")
    return Value(ValueType.FLOAT, number)


def _matching(field: Field, name: Token, value: Token) -> Condition:
    if field in {Intrinsic.DURATION, LogField.SEVERITY, LogField.TEXT, TraceField.ANOMALY_SCORE} or field in _IDS:
        raise _wrong(name, f"{name.text} cannot be compared with a regular expression")
    try:
        return Comparison(field, Operator.REGEX, Value(ValueType.STRING, value.text), Regex.of(value.text))
    except RegexError as error:
        raise _wrong(value, str(error)) from None


def _severity(operator: Operator, value: Token) -> Condition:
    least = SEVERITIES.get(value.text.lower())
    if least is None:
        raise _wrong(value, f"{value.text!r} is no severity: {', '.join(SEVERITIES)}", _close(value.text, SEVERITIES))
    if operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
        found = Both(_severity(Operator.AT_LEAST, value), Negated(_severity(Operator.GREATER, value)))
        return _negated_if(operator is Operator.NOT_EQUAL, LogField.SEVERITY, found)
    beyond = least + 4 if operator in {Operator.GREATER, Operator.AT_MOST} else least
    order = Operator.AT_LEAST if operator in {Operator.GREATER, Operator.AT_LEAST} else Operator.LESS
    return Comparison(LogField.SEVERITY, order, Value(ValueType.INT, beyond))


def _ordered(field: Field, name: Token, value: Token) -> Value:
    if field is Intrinsic.DURATION:
        return _duration(value)
    if field in _IDS or isinstance(field, Intrinsic | LogField):
        raise _wrong(name, f"{name.text} has no order: write {name.text}={value.text}", f"{name.text}={value.text}")
    number = next(
        (one for one in candidates(value.text)[1:] if isinstance(one, int | float) and not isinstance(one, bool)), None
    )
    if number is None:
        raise _wrong(value, f"{value.text[:50]!r} is no number")
    whole = isinstance(number, int) and -(2**63) <= number < 2**63
    if not whole and not math.isfinite(number):
        raise _wrong(value, f"{value.text[:50]!r} is too large")
    return Value(ValueType.INT, number) if whole else Value(ValueType.FLOAT, float(number))


def _duration(value: Token) -> Value:
    try:
        found = go_duration("duration", value.text)
    except ParameterRefusedError:
        plain = _NUMBER.fullmatch(value.text) is not None
        reason = (
            "a duration needs a unit: ns, us, ms, s, m or h"
            if plain
            else f"{value.text[:50]!r} is no duration, such as 1.5s or 500ms"
        )
        raise _wrong(value, reason, f"{value.text}ms" if plain else "") from None
    return Value(ValueType.DURATION, found)


def _equal(field: Field, value: Token) -> Condition:
    text = value.text
    if field is Intrinsic.DURATION:
        return Comparison(field, Operator.EQUAL, _duration(value))
    if field in _IDS:
        if not _HEX.fullmatch(text) or len(text) > _IDS[field]:  # type: ignore[index]  # one of them
            raise _wrong(value, f"{text[:50]!r} is no id: write up to {_IDS[field]} hexadecimal digits")  # type: ignore[index]
        return Comparison(field, Operator.EQUAL, Value(ValueType.STRING, text.lower()))
    for named, names, type_ in ((Intrinsic.STATUS, STATUSES, ValueType.STATUS), (Intrinsic.KIND, KINDS, ValueType.KIND)):
        if field is named:
            if text.lower() not in names:
                raise _wrong(value, f"{text[:50]!r} is no {named}: {', '.join(names)}", _close(text, names))
            return Comparison(field, Operator.EQUAL, Value(type_, text.lower()))
    if field in {Intrinsic.NAME, Intrinsic.STATUS_MESSAGE, Intrinsic.INSTRUMENTATION_NAME} or isinstance(field, LogField):
        return Comparison(field, Operator.EQUAL, Value(ValueType.STRING, text))
    found: list[Condition] = [Comparison(field, Operator.EQUAL, Value(_type_of(one), one)) for one in candidates(text)]
    return reduce(Either, found)


def _type_of(value: str | float) -> ValueType:
    match value:
        case bool():
            return ValueType.BOOL
        case int():
            return ValueType.INT
        case float():
            return ValueType.FLOAT
        case _:
            return ValueType.STRING


def _close(text: str, known: object) -> str:
    names = [str(one) for one in known] if isinstance(known, dict | tuple) else []
    return next(iter(get_close_matches(text.lower(), names, n=1)), "")
