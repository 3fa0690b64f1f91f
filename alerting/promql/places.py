"""Where in an expression a mistake is: the parser says what is wrong, and not where.

A mistake of syntax is at the first token with which no expression can begin, found by trying ends for what is before it. Any
other is in the smallest part that has it alone. Places are Prometheus's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import promql_parser as ast

from alerting.promql.compiler import is_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*) |
    (?P<string>"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|`[^`]*`) |
    (?P<number>(?:[0-9][0-9a-zA-Z_]*\.?[0-9a-zA-Z_]*|\.[0-9]\w*)(?:(?<=[eE])[-+][0-9]+)?) |
    (?P<word>[a-zA-Z_](?:[\w:]*\w)?|:[a-zA-Z_](?:[\w:]*\w)?) |
    (?P<sign>=~|!~|==|!=|<=|>=|[-+*/%^<>=,:@(){}\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
_ENDS = ("", " x", " 1", " 5m", "(x)", "()", ' "x"', '="x"', " x)", "x(x)", "(x) x", '"x"=""', "5m", "1m]", 'x="x"')
_CLOSED = {"(": ")", "[": "]", "{": "}"}
_MEANING = re.compile(
    r"""expected[ ](?:type|\d|at[ ]least|at[ ]most)|unknown[ ]function|binary[ ]expression|set[ ]operator|
    vector[ ]matching[ ]only|comparisons[ ]between|wrong[ ]number[ ]of|illegal[ ]regex|
    vector[ ]selector[ ]must|unary[ ]expression|bool[ ]modifier|
    no[ ]grouping|many""",
    re.VERBOSE,
)
"""What the parser says of a text whose syntax is right."""
_NAMED = re.compile(r"(?:unknown function with name|function|aggregation|operator|set operator) ['\"]([^'\"]+)['\"]")
_TYPES = re.compile(r"expected type (\w+) in .*, got (\w+)")
_COMPARISONS = {"==", "!=", "<", ">", "<=", ">="}
_OPERATORS = _COMPARISONS | {"+", "-", "*", "/", "%", "^", "and", "or", "unless", "atan2"}
_MODIFIERS = {"bool", "on", "ignoring", "group_left", "group_right"}
MOST_PARTS = 2_000
"""Most parts that are looked at; the place is then that of the whole."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse_text(text: str) -> object:
    """The parser's tree.

    Raises:
        ValueError: says what is wrong, not where.
    """
    try:
        return ast.parse(text)
    except ValueError:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of pyo3, which has no module to import it from
            raise
        raise ValueError("a number here is too large, or none") from None


def find_mistake(text: str, reason: str, reason_of: Callable[[str], str]) -> tuple[int, str]:
    """Which character is the first of what is wrong, and why, in more words where the parser has few.

    Args:
        text: of the expression.
        reason: what the parser or the compiler said of it.
        reason_of: what it says of another text; empty if that one is right.
    """
    tokens, rest = _tokens(text)
    if not _MEANING.match(reason) and _parsed(text) == reason:
        return _of_syntax(text, tokens, rest, reason)
    return _of_meaning(text, tokens, reason, reason_of), reason


def _tokens(text: str) -> tuple[list[_Token], int]:
    """The tokens up to what is none, and where that is."""
    found: list[_Token] = []
    at = 0
    while at < len(text) and (match := _TOKEN.match(text, at)) is not None:
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match[0], at))
        at = match.end()
    return found, at


def _parsed(text: str) -> str:
    try:
        parse_text(text)
    except ValueError as error:
        return str(error)
    return ""


def _of_syntax(text: str, tokens: Sequence[_Token], rest: int, reason: str) -> tuple[int, str]:
    least, most = 0, len(tokens)  # so many tokens can be the beginning of an expression; one more cannot
    while least < most:
        middle = (least + most + 1) // 2
        if _can_go_on(text[: tokens[middle - 1].end], tokens[:middle]):
            least = middle
        else:
            most = middle - 1
    if least < len(tokens):
        token = tokens[least]
        return token.start, reason if reason.startswith(("bad", "expect")) else f'unexpected "{token.text[:40]}"'
    if rest < len(text):
        quote = text[rest] in "\"'`"
        return rest, "unterminated quoted string" if quote else f'unexpected character "{text[rest]}"'
    return len(text.rstrip()), "unexpected end of the expression" if reason == "invalid promql query" else reason


def _can_go_on(text: str, tokens: Sequence[_Token]) -> bool:
    """Whether a text is the beginning of some expression."""
    open_: list[str] = []
    for token in tokens:
        if token.text in _CLOSED:
            open_.append(_CLOSED[token.text])
        elif token.kind == "sign" and token.text in {")", "]", "}"} and (not open_ or open_.pop() != token.text):
            return False
    closers = "".join(reversed(open_))
    for end in _ENDS:
        for after in ("", " (x)", " x"):
            found = _parsed(text + end + closers + after)
            if not found or _MEANING.match(found):
                return True
    return False


def _of_meaning(text: str, tokens: Sequence[_Token], reason: str, reason_of: Callable[[str], str]) -> int:
    part = _smallest(text, tokens, reason, reason_of)
    if named := _NAMED.match(reason):
        part = next(([token] for token in part if token.text == named[1]), part)
    elif reason.startswith("comparisons"):
        part = next(_between_scalars(text, part), part)
    elif (types := _TYPES.match(reason)) or reason.startswith("binary expression"):
        wrong = {types[2]} if types else {"matrix", "string"}
        of_part = [
            each for each in _parts(part) if len(each) < len(part) and _type(text[each[0].start : each[-1].end]) in wrong
        ]
        part = max(of_part, key=len, default=part)
    return part[0].start if part else 0


def _between_scalars(text: str, tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """The comparisons of two numbers."""
    operands = [*_split(tokens, _OPERATORS)]
    for left, right in pairwise(operands):
        operator = next(token for token in tokens if token.start >= (left[-1].end if left else 0))
        if left and right and operator.text in _COMPARISONS:
            sides = {_type(text[side[0].start : side[-1].end]) for side in (left, right)}
            if sides == {"scalar"}:
                yield [operator]


def _smallest(text: str, tokens: Sequence[_Token], reason: str, reason_of: Callable[[str], str]) -> Sequence[_Token]:
    """The smallest part that has this mistake alone."""
    parts = sorted(islice(_parts(tokens), MOST_PARTS), key=len)
    regex = reason.startswith(("illegal regex", "regular expression"))
    for part in parts:
        written = text[part[0].start : part[-1].end]
        if reason_of(f"x{{{written}}}" if regex and part[-1].kind == "string" else written) == reason:
            return part
    return tokens


def _type(text: str) -> str:
    try:
        node = parse_text(text)
    except ValueError:
        return ""
    match node:
        case ast.StringLiteral():
            return "string"
        case ast.MatrixSelector() | ast.SubqueryExpr():
            return "matrix"
        case _:
            return "scalar" if is_scalar(node) else "vector"


def _parts(tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """What could stand alone: arguments, matchers, operands, calls, what is in brackets."""
    for listed in _split(tokens, {","}):
        if listed:
            yield listed
        for operand in _split(listed, _OPERATORS):
            part = _without_modifiers(operand)
            if part:
                yield part
            for first, last in _brackets(part):
                if part[last].text == ")":
                    yield part[: last + 1]
                yield from _parts(part[first + 1 : last])


def _split(tokens: Sequence[_Token], separators: Collection[str]) -> Iterator[Sequence[_Token]]:
    begin = 0
    inside = [index for first, last in _brackets(tokens) for index in range(first, last)]
    apart = set(range(len(tokens))).difference(inside)
    for i in sorted(apart):
        if tokens[i].kind != "string" and tokens[i].text.lower() in separators:
            yield tokens[begin:i]
            begin = i + 1
    yield tokens[begin:]


def _brackets(tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    """Where brackets begin and end that are in no others."""
    found, depth, begin = [], 0, 0
    for i, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text in _CLOSED:
            begin = begin if depth else i
            depth += 1
        elif token.text in _CLOSED.values() and depth:
            depth -= 1
            if not depth:
                found.append((begin, i))
    return found


def _without_modifiers(operand: Sequence[_Token]) -> Sequence[_Token]:
    """An operand without how it is matched with the one before."""
    while operand and operand[0].text.lower() in _MODIFIERS:
        named = len(operand) > 1 and operand[1].text == "("
        last = _brackets(operand)[0][1] if named and operand[0].text.lower() != "bool" and _brackets(operand) else 0
        operand = operand[last + 1 :]
    return operand
