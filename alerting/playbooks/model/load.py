"""Playbook files, read and checked as a whole: every error with its line, `playbooks.yml:14: steps[0].timeout: ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from alerting.playbooks.actions.action import RunsPrograms
from alerting.playbooks.label_places import doubtful_places, unsafe_places
from alerting.playbooks.model.plan import Inverse, Playbook
from alerting.promql.expression import compile_expression
from alerting.variables import names_in, render, render_query
from components.secrets import SECRETS, SHORTEST_PART
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from alerting.playbooks.actions.action import Action

Where = tuple[str | int, ...]


class PlaybookError(ConfigError):
    """A playbook file that cannot be used. The message has one line for each error."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    playbooks: tuple[Playbook, ...]


def load_playbooks(paths: Sequence[Path], actions: Mapping[str, Action]) -> tuple[Playbook, ...]:
    """The playbooks of some files, in order.

    Raises:
        PlaybookError: a file cannot be read, or anything in it is wrong; nothing of any file is used then.
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
        try:
            file = YamlFile(text, str(path))
        except ConfigError as error:
            errors.append(str(error))
            continue
        found, wrong = _read(file, actions)
        errors += sorted(wrong, key=file.order)
        for index, playbook in enumerate(found):
            place = f"{path}:{file.place(('playbooks', index))}"
            if playbook.name in places:
                errors.append(f"{place}: the name {playbook.name!r} is already used in {places[playbook.name]}")
            places.setdefault(playbook.name, place)
        playbooks += found
    if errors:
        raise PlaybookError("\n".join(errors))
    return tuple(playbooks)


def _read(file: YamlFile, actions: Mapping[str, Action]) -> tuple[tuple[Playbook, ...], list[str]]:
    read, problems = file.read_what_is_right(_File, passes=1)
    if read is None:
        return (), problems
    for index, playbook in enumerate(read.playbooks):
        for where, reason in _action_errors(playbook, actions):
            place: Where = ("playbooks", index, *where)
            problems.append(str(file.error(place, _path(place) + reason)))
    return read.playbooks, problems


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


def _call_errors(
    where: Where, name: str, arguments: dict[str, object], actions: Mapping[str, Action]
) -> list[tuple[Where, str]]:
    action = actions.get(name)
    if action is None:
        return [((*where, "action"), f"unknown action {name!r}; there are {', '.join(sorted(actions))}")]
    if errors := _wrong(action, arguments):
        return [((*where, "with", *e["loc"]), _reason(e)) for e in errors]
    SECRETS.add_all(arguments)
    _add_secret_headers(arguments)
    programs = action.programs if isinstance(action, RunsPrograms) else ()
    return [((*where, "with", *path), reason) for path, reason in unsafe_places(name, arguments, programs)]


TRIALS = ("1", "a=1")
"""A label may stand for a text or a number, the result of a step for weights by name: what one of these fits is right."""


def _wrong(action: Action, arguments: dict[str, object]) -> list[ErrorDetails]:
    """What is wrong with the arguments of an action, whatever the labels in them."""
    names = names_in(arguments)
    first: list[ErrorDetails] = []
    for trial in TRIALS:
        try:
            action.arguments.model_validate(render(arguments, dict.fromkeys(names, trial)))
        except ValidationError as error:
            first = first or error.errors()
        else:
            return []
    return first


def _add_secret_headers(arguments: dict[str, object]) -> None:
    headers = arguments.get("headers")
    for value in headers.values() if isinstance(headers, dict) else ():
        text = str(value)
        if len(text) >= SHORTEST_PART and not names_in(text):
            SECRETS.add(text)
            SECRETS.add(text.rpartition(" ")[2])


def doubts(paths: Sequence[Path], actions: Mapping[str, Action]) -> list[str]:
    """What of some files could be dangerous without being wrong, each with its line.

    Raises:
        PlaybookError: see `load_playbooks`.
    """
    load_playbooks(paths, actions)
    found: list[str] = []
    for path in paths:
        file = YamlFile(path.read_text("utf-8"), str(path))
        for index, playbook in enumerate(_File.model_validate(file.data or {}).playbooks):
            for where, text in _doubts(playbook):
                place: Where = ("playbooks", index, *where)
                found.append(str(file.error(place, _path(place) + text)))
    return found


def _doubts(playbook: Playbook) -> Iterator[tuple[Where, str]]:
    if not compile_expression(render_query(playbook.verify.expr, dict.fromkeys(names_in(playbook.verify.expr), "x"))).selectors:
        yield ("verify", "expr"), "it reads no telemetry, so that it proves nothing"
    for index, step in enumerate(playbook.steps):
        for where, text in doubtful_places(step.action, step.arguments):
            yield ("steps", index, "with", *where), text
        if isinstance(step.inverse, Inverse):
            for where, text in doubtful_places(step.inverse.action, step.inverse.arguments):
                yield ("steps", index, "inverse", "with", *where), text
        if step.action in {"command", "http"} and step.verify is None and len(playbook.steps) > 1:
            yield ("steps", index), "nothing verifies that this step did what it should; give it a `verify` of its own"


def _reason(error: ErrorDetails) -> str:
    if error["type"] in {"extra_forbidden", "missing"}:
        return "unknown field" if error["type"] == "extra_forbidden" else "is missing"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def _path(where: Where) -> str:
    # Where one of two types may stand, pydantic puts the type's name into the place: that is no part of the file.
    parts = [
        part for part in where if isinstance(part, int) or (part.replace("-", "_").isidentifier() and not part[0].isupper())
    ]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    return f"{text}: " if text else ""
