"""Playbook files, read and checked as a whole: every error with its line, `playbooks.yml:14: steps[0].timeout: ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from alerting.playbooks.plan import Inverse, Playbook
from alerting.playbooks.render import names_in, render
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from alerting.playbooks.actions.action import Action

MAX_NODES = 20_000
"""A file with more YAML nodes, aliases written out, is refused: a few lines of aliases can stand for billions."""

Where = tuple[str | int, ...]


class PlaybookError(ConfigError):
    """A playbook file that cannot be used. The message has one line for each error."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    playbooks: tuple[Playbook, ...]


def load_playbooks(paths: Sequence[Path], actions: Mapping[str, Action]) -> tuple[Playbook, ...]:
    """The playbooks of some files, in order.

    Raises:
        PlaybookError: a file cannot be read, or anything in it is wrong; nothing of any file is taken then.
    """
    errors: list[str] = []
    playbooks: list[Playbook] = []
    places: dict[str, str] = {}
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            errors.append(f"{path}: cannot be read: {error}")
            continue
        found, wrong, lines = _parse(text, str(path), actions)
        errors += wrong
        for index, playbook in enumerate(found):
            place = f"{path}:{_line(lines, ('playbooks', index))}"
            if playbook.name in places:
                errors.append(f"{place}: the name {playbook.name!r} is taken by {places[playbook.name]}")
            places.setdefault(playbook.name, place)
        playbooks += found
    if errors:
        raise PlaybookError("\n".join(errors))
    return tuple(playbooks)


def _parse(text: str, source: str, actions: Mapping[str, Action]) -> tuple[tuple[Playbook, ...], list[str], dict[Where, int]]:
    lines: dict[Where, int] = {}
    try:
        data = _Reader(lines).read(text)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line + 1) if error.problem_mark else 1
        return (), [f"{source}:{line}: not YAML: {error.problem}"], lines
    except yaml.YAMLError as error:
        return (), [f"{source}:1: not YAML: {error}"], lines
    try:
        file = TypeAdapter(_File).validate_python(data)
    except ValidationError as error:
        return (), [f"{source}:{_line(lines, e['loc'])}: {_path(lines, e['loc'])}{_reason(e)}" for e in error.errors()], lines
    errors = [
        f"{source}:{_line(lines, ('playbooks', i, *where))}: {_path(lines, ('playbooks', i, *where))}{reason}"
        for i, playbook in enumerate(file.playbooks)
        for where, reason in _action_errors(playbook, actions)
    ]
    return file.playbooks, errors, lines


def _action_errors(playbook: Playbook, actions: Mapping[str, Action]) -> list[tuple[Where, str]]:
    errors: list[tuple[Where, str]] = []
    for index, step in enumerate(playbook.steps):
        if step.action:
            errors += _call_errors(("steps", index), step.action, step.arguments, actions)
        if isinstance(step.inverse, Inverse):
            where: Where = ("steps", index, "inverse")
            wrong = _call_errors(where, step.inverse.action, step.inverse.arguments, actions)
            if not wrong and not (step.inverse.idempotent or actions[step.inverse.action].idempotent):
                reason = f"{step.inverse.action!r} may not run twice, as an inverse must; say idempotent: true if this one may"
                wrong = [((*where, "action"), reason)]
            errors += wrong
    return errors


def _call_errors(where: Where, name: str, arguments: dict[str, Any], actions: Mapping[str, Action]) -> list[tuple[Where, str]]:
    action = actions.get(name)
    if action is None:
        return [((*where, "action"), f"unknown action {name!r}; there are {', '.join(sorted(actions))}")]
    # A text over labels may stand for a number, so every label is tried as one that is both.
    trial = render(arguments, dict.fromkeys(names_in(arguments), "1"))
    try:
        action.arguments.model_validate(trial)
    except ValidationError as error:
        return [((*where, "with", *e["loc"]), _reason(e)) for e in error.errors()]
    return []


def _reason(error: Any) -> str:
    message: str = error["msg"].removeprefix("Value error, ")
    return f"{message}: {error['loc'][-1]!r}" if error["type"] == "extra_forbidden" else message


def _line(lines: Mapping[Where, int], where: Where) -> int:
    """The line of a place, or of the nearest thing around it that stands in the file."""
    known = _known(lines, where)
    return lines.get(known, 1)


def _path(lines: Mapping[Where, int], where: Where) -> str:
    # A missing field has no line of its own, but its name is part of the path; pydantic's names of union members are not.
    known = _known(lines, where)
    rest = where[len(known) : len(known) + 1]
    shown = (*known, *(part for part in rest if isinstance(part, str) and part.islower() and part.isidentifier()))
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown).removeprefix(".")
    return f"{text}: " if text else ""


def _known(lines: Mapping[Where, int], where: Where) -> Where:
    known: Where = ()
    for part in where:
        if (*known, part) in lines:
            known = (*known, part)
        elif isinstance(part, int) or part.islower():
            break
    return known


class _Reader:
    """YAML to plain data, with the line of every value."""

    def __init__(self, lines: dict[Where, int]) -> None:
        self.lines = lines
        self.nodes = 0

    def read(self, text: str) -> Any:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else self._plain(node, (), loader)
        finally:
            loader.dispose()

    def _plain(self, node: yaml.Node, where: Where, loader: yaml.SafeLoader) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(where) > 50:
            raise yaml.MarkedYAMLError(problem="too large or nested in itself", problem_mark=node.start_mark)
        self.lines[where] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*where, index), loader) for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in data:
                reason = "a key must be a text" if key is None else f"the key {key!r} stands twice"
                raise yaml.MarkedYAMLError(problem=reason, problem_mark=key_node.start_mark)
            data[key] = self._plain(value_node, (*where, key), loader)
            self.lines[*where, key] = key_node.start_mark.line + 1
        return data
