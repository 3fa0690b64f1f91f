"""The parser of templates. Grammar: https://pkg.go.dev/text/template.

Covered: text, comments, trimming, pipelines, variables, fields, literals, parentheses, `if`, `range`, `with`, `else if`,
`define`, `template`, `block`, `break` and `continue`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from alerting.gotemplates.tree import (
    Branch,
    Dot,
    Function,
    FunctionCall,
    Jump,
    Literal,
    Output,
    Parenthesis,
    TemplatePipeline,
    Text,
    Variable,
)
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.gotemplates.tree import Node, Operand


class TemplateError(ConfigError):
    """A template that cannot be parsed or rendered; `at` is the first character of what is wrong, if that is known."""


MAX_LENGTH = 65_536
MAX_DEPTH = 50

# Each character can be read in one way only, so that no text is tried again and again: a quote is never a character.
_ACTION = re.compile(
    r"""\{\{(?P<left>-(?=\s))?(?P<body>
    \s*/\*.*?\*/\s* |
    (?:"(?:\\.|[^"\\])*+" | `[^`]*+` | '(?:\\.|[^'\\])*+' | [^"'`])*?
    )(?P<right>(?<=\s)-)?\}\}""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(
    r"""(?:[^\\]|\\(?:[abfnrtv\\'"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*+(?P<unknown>\\.?)""", re.DOTALL
)
"""The first escape of a quoted constant that is none of Go's; Python's are more."""
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`) |
    (?P<char>'(?:\\.[^'\n]*|[^'\\\n])') |
    (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)) |
    (?P<variable>\$\w*(?:\.\w+)*) |
    (?P<path>(?:\.\w+)+) |
    (?P<dot>\.) |
    (?P<word>\w+) |
    (?P<op>:=|=|\||\(|\)|,)
    )""",
    re.VERBOSE,
)


@dataclass(slots=True)
class _Action:
    words: list[tuple[str, str]]
    starts: list[int]
    """Where in the text each word begins, and at last where the action ends."""
    line: int
    position: int = 0


@dataclass(slots=True)
class Parser:
    """Parses one template text; `defined` collects the templates that it defines."""

    text: str
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)  # every one that it calls, and where it does first
    called: dict[str, int] = field(default_factory=dict)  # every template that it calls, likewise
    variables: list[str] = field(default_factory=list)  # those in scope, innermost last
    _loops: int = 0
    _pieces: list[str | _Action] = field(default_factory=list)
    _at: int = 0
    _depth: int = 0
    _line: int = 1
    _place: int = 0

    def parse(self) -> tuple[Node, ...]:
        """The body of the template.

        Raises:
            TemplateError: says in which line.
        """
        if len(self.text) > MAX_LENGTH:
            raise TemplateError(f"template of {len(self.text)} characters; at most {MAX_LENGTH}")
        self._split()
        self.variables.append("$")
        nodes, end = self._nodes()
        if end:
            self._fail(f"unexpected {{{{{end}}}}}")
        return nodes

    def _fail(self, reason: str) -> NoReturn:
        raise TemplateError(f"template: line {self._line}: {reason}", self._place)

    def _split(self) -> None:
        position = 0
        trim = False
        while (begin := self.text.find("{{", position)) >= 0:
            self._line, self._place = self.text.count("\n", 0, begin) + 1, begin
            found = _ACTION.match(self.text, begin)
            if found is None:
                self._fail("unclosed action")
            between = self.text[position:begin]
            if trim:
                between = between.lstrip()
            if found["left"]:
                between = between.rstrip()
            if between:
                self._pieces.append(between)
            body = found["body"]
            if not body.strip().startswith("/*"):
                words, starts = self._tokens(body, found.start("body"))
                self._pieces.append(_Action(words, [*starts, found.end("body")], self._line))
            trim, position = bool(found["right"]), found.end()
        rest = self.text[position:]
        if trim:
            rest = rest.lstrip()
        if rest:
            self._pieces.append(rest)

    def _tokens(self, body: str, begin: int) -> tuple[list[tuple[str, str]], list[int]]:
        tokens, starts = [], []
        position = 0
        body = body.rstrip()
        while position < len(body):
            found = _TOKEN.match(body, position)
            if found is None or found.lastgroup is None:
                self._place = begin + position + len(body[position:]) - len(body[position:].lstrip())
                self._fail(f"unexpected {body[position:].strip()[:20]!r}")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            starts.append(begin + found.start(found.lastgroup))
            position = found.end()
        return tokens, starts

    def _nodes(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to `end` or `else`, which stays the current action; which of them it was."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH}")
        nodes: list[Node] = []
        end = ""
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if isinstance(piece, str):
                nodes.append(Text(piece))
                continue
            self._line, self._place = piece.line, piece.starts[0]
            if piece.words and piece.words[0] in {("word", "end"), ("word", "else")}:
                end = piece.words[0][1]
                break
            nodes.extend(self._action(piece))
        self._depth -= 1
        return tuple(nodes), end

    def _action(self, action: _Action) -> list[Node]:
        if not action.words:
            self._fail("missing value for command")
        kind, word = action.words[0]
        if kind == "word" and word in {"if", "with", "range"}:
            action.position = 1
            return [self._branch(word, action)]
        if kind == "word" and word in {"define", "block"}:
            name = self._name(action)
            outside, self.variables, self._loops = (self.variables, self._loops), ["$"], 0
            self.defined[name], _ = self._closed()
            self.variables, self._loops = outside
            return [FunctionCall(name, self._rest(action))] if word == "block" else []
        if kind == "word" and word == "template":
            name = self._name(action)
            self.called.setdefault(name, action.starts[1])
            return [FunctionCall(name, self._rest(action))]
        if kind == "word" and word in {"break", "continue"}:
            if not self._loops:
                self._fail(f"{{{{{word}}}}} outside {{{{range}}}}")
            return [Jump(word)]
        pipeline = self._pipeline(action, until=None)
        return [Output(pipeline)]

    def _name(self, action: _Action) -> str:
        if len(action.words) < 2 or action.words[1][0] != "string":
            self._fail("a template's name must be a quoted string")
        action.position = 2
        return _unquote(action.words[1][1])

    def _rest(self, action: _Action) -> TemplatePipeline | None:
        return self._pipeline(action, until=None) if action.position < len(action.words) else None

    def _closed(self) -> tuple[tuple[Node, ...], str]:
        line, place = self._line, self._place
        nodes, end = self._nodes()
        if not end:
            self._line, self._place = line, place
            self._fail("no {{end}} for it")
        return nodes, end

    def _branch(self, kind: str, action: _Action) -> Branch:
        outside = len(self.variables)
        pipeline = self._pipeline(action, until=None, many=kind == "range")
        self._loops += kind == "range"
        body, end = self._closed()
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            follow = self._pieces[self._at - 1]
            if isinstance(follow, _Action) and len(follow.words) > 1:  # else if, else with
                follow.position = 2
                otherwise = (self._branch(follow.words[1][1], follow),)
            else:
                otherwise, end = self._closed()
                if end == "else":
                    self._fail("expected end; found {{else}}")
        del self.variables[outside:]
        return Branch(kind, pipeline, body, otherwise)

    def _pipeline(self, action: _Action, until: str | None, *, many: bool = False) -> TemplatePipeline:
        assigns, declares = self._assignment(action, many=many)
        self.variables += assigns
        commands: list[tuple[Operand, ...]] = []
        operands: list[Operand] = []
        closed = until is None
        while action.position < len(action.words):
            kind, word = action.words[action.position]
            self._place = action.starts[action.position]
            action.position += 1
            if kind == "op" and word == until:
                closed = True
                break
            if (kind, word) == ("op", "|"):
                commands.append(self._command(operands))
                operands = []
            else:
                operands.append(self._operand(action, kind, word))
        if not closed:
            self._fail("unclosed left parenthesis")
        if not operands:
            self._place = action.starts[action.position]
        commands.append(self._command(operands))
        return TemplatePipeline(tuple(commands), assigns, declares)

    def _command(self, operands: list[Operand]) -> tuple[Operand, ...]:
        if not operands:
            self._fail("missing value for command")
        return tuple(operands)

    def _assignment(self, action: _Action, *, many: bool) -> tuple[tuple[str, ...], bool]:
        words, start = action.words, action.position
        names = []
        at = start
        while at < len(words) and words[at][0] == "variable":
            names.append(words[at][1])
            at += 1
            if many and len(names) < 2 and at < len(words) and words[at] == ("op", ","):
                at += 1
                continue
            break
        if names and at < len(words) and words[at] in {("op", ":="), ("op", "=")}:
            action.position = at + 1
            return tuple(names), words[at][1] == ":="
        return (), False

    def _operand(self, action: _Action, kind: str, word: str) -> Operand:  # noqa: PLR0911  # one return a kind
        match kind:
            case "string":
                return Literal(self._constant(_unquote, word))
            case "char":
                return Literal(self._constant(_character, word))
            case "number":
                return Literal(_number(word))
            case "dot":
                return Dot()
            case "path":
                return Dot(tuple(word[1:].split(".")))
            case "variable":
                return self._variable(word)
            case "word" if word in {"true", "false", "nil"}:
                return Literal({"true": True, "false": False, "nil": None}[word])
            case "word":
                self.functions.setdefault(word, self._place)
                return Function(word)
            case _:
                if word != "(":
                    self._fail(f"unexpected {word!r}")
                return self._parenthesis(action)

    def _constant(self, read: Callable[[str], str | int], word: str) -> str | int:
        try:
            return read(word)
        except TemplateError as error:
            raise TemplateError(str(error), self._place) from None

    def _variable(self, word: str) -> Variable:
        name, *path = word.split(".")
        if name not in self.variables:
            self._fail(f'undefined variable "{name}"')
        return Variable(name, tuple(path))

    def _parenthesis(self, action: _Action) -> Parenthesis:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH}")
        inner = self._pipeline(action, until=")")
        self._depth -= 1
        if action.position < len(action.words) and action.words[action.position][0] == "path":
            path = tuple(action.words[action.position][1][1:].split("."))
            action.position += 1
            return Parenthesis(inner, path)
        return Parenthesis(inner)


def _unquote(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    if unknown := _ESCAPE.match(text):
        raise TemplateError(f"template: constant {text}: unknown escape sequence {unknown['unknown']}")
    try:
        value = str(ast.literal_eval(text))
        value.encode()  # half of a surrogate pair is no character
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"template: constant {text}: {error}") from None
    return value


def _character(text: str) -> int:
    value = _unquote(text)
    if len(value) != 1:
        raise TemplateError(f"template: malformed character constant: {text}")
    return ord(value)


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    try:
        return int(plain, 0)
    except ValueError:
        return float(plain)
