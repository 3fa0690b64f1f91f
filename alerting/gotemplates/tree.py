"""The tree of a template: what `syntax` makes of a text and `execute` renders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or nil."""

    value: object


@dataclass(frozen=True, slots=True)
class Dot:
    """The cursor and a path of fields."""

    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` and a path of fields."""

    name: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Parenthesis:
    """A pipeline in parentheses and a path of fields of its result."""

    pipeline: TemplatePipeline
    path: tuple[str, ...] = ()


Operand = Literal | Dot | Variable | Function | Parenthesis


@dataclass(frozen=True, slots=True)
class TemplatePipeline:
    """Commands, each given the result of the one before as its last argument; `assigns` names variables to set."""

    commands: tuple[tuple[Operand, ...], ...]
    assigns: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """The value of a pipeline."""

    pipeline: TemplatePipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    kind: str
    pipeline: TemplatePipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """`template "name" pipeline`."""

    name: str
    pipeline: TemplatePipeline | None


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: str


Node = Text | Output | Branch | FunctionCall | Jump


def calls(nodes: Iterable[Node], function: str) -> bool:
    """Whether a function is called anywhere in them."""
    return any(
        (isinstance(node, (Output, Branch, FunctionCall)) and node.pipeline is not None and _uses(node.pipeline, function))
        or (isinstance(node, Branch) and calls((*node.body, *node.otherwise), function))
        for node in nodes
    )


def _uses(pipeline: TemplatePipeline, function: str) -> bool:
    operands = [operand for command in pipeline.commands for operand in command]
    return Function(function) in operands or any(
        isinstance(operand, Parenthesis) and _uses(operand.pipeline, function) for operand in operands
    )
