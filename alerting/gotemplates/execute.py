"""Rendering a template."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alerting.gotemplates.humanize import Time
from alerting.gotemplates.syntax import Parser, TemplateError
from alerting.gotemplates.tree import (
    Branch,
    Dot,
    Function,
    FunctionCall,
    Jump,
    Literal,
    Output,
    Parenthesis,
    Text,
    Variable,
    calls,
)
from alerting.gotemplates.values import Items, Labels, Markup, printed, truth
from components.meant import did_you_mean
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from alerting.gotemplates.tree import Node, Operand, TemplatePipeline

Functions = Mapping[str, Callable[..., Any]]
MAX_OUTPUT = 65_536
"""Longest result, in characters; what is longer is cut and ends in an ellipsis."""
MAX_STEPS = 1_000_000
"""Most rounds of `range` in all."""
MAX_CALLS = 20
"""Deepest `template` within `template`."""


class _JumpError(Exception):
    pass


class _FullError(Exception):
    pass


class _BreakError(_JumpError):
    pass


class _ContinueError(_JumpError):
    pass


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    body: tuple[Node, ...]
    defined: Mapping[str, tuple[Node, ...]]

    def calls(self, function: str) -> bool:
        """Whether it calls a function anywhere."""
        return calls((*self.body, *(node for nodes in self.defined.values() for node in nodes)), function)

    def render(
        self,
        data: object,
        functions: Functions,
        escape: Callable[[str], str] = str,
        variables: Mapping[str, object] | None = None,
    ) -> str:
        """The text for these data, each value in it as `escape` makes it, but for `Markup`.

        `variables` are those known beforehand, with their `$`.

        Raises:
            TemplateError: an unknown function or variable, or a function that fails.
        """
        if len(self.body) == 1 and isinstance(self.body[0], Text):
            return self.body[0].text
        run = _Run(self.defined, functions, escape)
        try:
            with suppress(_FullError):
                run.nodes(self.body, data, ChainMap({"$": data, **(variables or {})}))
        except RecursionError:
            raise TemplateError("template: templates and branches within each other, too deep") from None
        return "".join(run.out)


def compile_template(
    text: str,
    functions: Collection[str],
    library: Mapping[str, tuple[Node, ...]] | None = None,
    variables: Collection[str] = (),
) -> Template:
    """Parse a template, which may call these functions and the templates of the library, and use these variables.

    Raises:
        TemplateError: says in which line.
    """
    parser = Parser(text, dict(library or {}), variables=[*variables])
    try:
        body = parser.parse()
    except RecursionError:
        raise TemplateError("template: too many {{else if}}") from None
    known = {*functions, "and", "or"}
    for name, at in parser.functions.items():
        if name not in known:
            raise TemplateError(f'template: function "{name}" not defined{did_you_mean(name, known)}', at)
    for name, at in parser.called.items():
        if name not in parser.defined:
            raise TemplateError(f'template: template "{name}" not defined{did_you_mean(name, parser.defined)}', at)
    return Template(body, parser.defined)


@dataclass(slots=True)
class _Run:
    defined: Mapping[str, tuple[Node, ...]]
    functions: Functions
    escape: Callable[[str], str]
    out: list[str] = field(default_factory=list)
    length: int = 0
    calls: int = 0
    steps: int = 0

    def nodes(self, nodes: Sequence[Node], dot: object, scope: ChainMap[str, object]) -> None:
        for node in nodes:
            match node:
                case Text(text):
                    self.write(text)
                case Output(pipeline):
                    value = self.pipeline(pipeline, dot, scope)
                    if not pipeline.assigns:
                        self.write(value if isinstance(value, Markup) else self.escape(printed(value)))
                case Branch():
                    self.branch(node, dot, scope)
                case FunctionCall(name, pipeline):
                    self.call(name, self.pipeline(pipeline, dot, scope) if pipeline else None)
                case Jump(kind):
                    raise _BreakError if kind == "break" else _ContinueError

    def write(self, text: str) -> None:
        remaining = MAX_OUTPUT - self.length
        if len(text) > remaining:
            self.out.append(text[: remaining - 1] + "…")
            raise _FullError
        self.length += len(text)
        self.out.append(text)

    def call(self, name: str, data: object) -> None:
        if name not in self.defined:
            raise TemplateError(f'template: template "{name}" not defined')
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise TemplateError(f'template: "{name}": exceeded maximum template depth ({MAX_CALLS})')
        self.nodes(self.defined[name], data, ChainMap({"$": data}))
        self.calls -= 1

    def branch(self, node: Branch, dot: object, scope: ChainMap[str, object]) -> None:
        inner = scope.new_child()
        if node.kind == "range":
            self.loop(node, dot, inner)
            return
        value = self.pipeline(node.pipeline, dot, inner)
        if truth(value):
            self.nodes(node.body, value if node.kind == "with" else dot, inner)
        else:
            self.nodes(node.otherwise, dot, inner)

    def loop(self, node: Branch, dot: object, scope: ChainMap[str, object]) -> None:
        names = node.pipeline.assigns
        value = self.pipeline(node.pipeline, dot, scope)
        items: Sequence[tuple[object, object]]
        if isinstance(value, Mapping):
            items = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, int) and not isinstance(value, bool):
            items = [(i, i) for i in range(min(value, MAX_OUTPUT))]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            items = list(enumerate(value))
        elif value is None:
            items = []
        else:
            raise TemplateError(f"template: range can't iterate over {printed(value)}")
        if not items:
            self.nodes(node.otherwise, dot, scope)
        for key, item in items:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise TemplateError(f"template: more than {MAX_STEPS} steps of range")
            inner = scope.new_child(dict(zip(names, (key, item) if len(names) == 2 else (item,), strict=False)))
            try:
                self.nodes(node.body, item, inner)
            except _ContinueError:
                continue
            except _BreakError:
                break

    def pipeline(self, pipeline: TemplatePipeline, dot: object, scope: ChainMap[str, object]) -> object:
        value: object = None
        for i, command in enumerate(pipeline.commands):
            value = self.command(command, dot, scope, (value,) if i else ())
        for name in pipeline.assigns:
            if pipeline.declares:
                scope[name] = value
            else:
                holder = next((level for level in scope.maps if name in level), None)
                if holder is None:
                    raise TemplateError(f'template: undefined variable "{name}"')
                holder[name] = value
        return value

    def command(
        self, command: Sequence[Operand], dot: object, scope: ChainMap[str, object], piped: tuple[object, ...]
    ) -> object:
        head, *rest = command
        if isinstance(head, Function):
            return self.apply(head.name, rest, dot, scope, piped)
        value = self.value(head, dot, scope)
        if rest or piped:
            if callable(value):
                return _called("method", value, [*self.arguments(rest, dot, scope), *piped])
            raise TemplateError("template: can't give argument to non-function")
        return _settled(value)

    def arguments(self, operands: Sequence[Operand], dot: object, scope: ChainMap[str, object]) -> list[object]:
        return [_settled(self.value(operand, dot, scope)) for operand in operands]

    def apply(
        self, name: str, operands: list[Operand], dot: object, scope: ChainMap[str, object], piped: tuple[object, ...] = ()
    ) -> object:
        if name not in {"and", "or"}:
            return _called(name, self.functions[name], [*self.arguments(operands, dot, scope), *piped])
        if not operands and not piped:
            raise TemplateError(f"template: wrong number of args for {name}: want at least 1 got 0")
        value: object = None
        for operand in operands:
            value = _settled(self.value(operand, dot, scope))
            if truth(value) == (name == "or"):
                return value
        return piped[0] if piped else value

    def value(self, operand: Operand, dot: object, scope: ChainMap[str, object]) -> object:
        match operand:
            case Literal(value):
                return value
            case Dot(path):
                return _walk(dot, path)
            case Variable(name, path):
                if name not in scope:
                    raise TemplateError(f'template: undefined variable "{name}"')
                return _walk(scope[name], path)
            case Parenthesis(pipeline, path):
                return _walk(self.pipeline(pipeline, dot, scope), path)
            case Function(name):
                return self.apply(name, [], dot, scope)


def _called(name: str, function: Callable[..., object], arguments: Sequence[object]) -> object:
    try:
        return function(*arguments)
    except TemplateError:
        raise
    except (SpanloomError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise TemplateError(f"template: error calling {name}: {error}") from error


def _settled(value: object) -> object:
    """A method without arguments is called where its value is needed."""
    return _called("method", value, ()) if callable(value) else value


def _walk(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = _settled(value)
        if isinstance(value, Items | Time) and name in value.fields:
            value = value.fields[name]
        elif isinstance(value, Labels):
            value = value.get(name, "")
        elif isinstance(value, Mapping):
            if name not in value:
                raise TemplateError(f'template: no field "{name}"')
            value = value[name]
        else:
            raise TemplateError(f'template: can\'t evaluate field "{name}" in {type(value).__name__}')
    return value
