"""What a label's value may be in the place where a playbook puts it: values come from telemetry, so they are foreign."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from alerting.variables import RESULT, names_in
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]


class Place(StrEnum):
    """What a text of a call is to whoever reads it."""

    ARGUMENT = "argument of a command"
    VARIABLE = "environment variable"
    URL = "URL"
    HEADER = "HTTP header"
    JSON = "JSON"
    NAME = "name"
    NUMBER = "number"
    FIXED = "text that a label must not change"


LONGEST = {Place.ARGUMENT: 255, Place.URL: 255, Place.NAME: 255, Place.NUMBER: 20, Place.HEADER: 1000, Place.VARIABLE: 1000}
LONGEST_JSON = 16_384
_PATHS = frozenset({Place.ARGUMENT, Place.URL, Place.NAME})

_ALLOWED = {
    Place.ARGUMENT: (
        re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@/+-]*"),
        "letters, digits and . _ : @ / + -, not first",
    ),
    Place.HEADER: (re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?"), "printable ASCII"),
    Place.NUMBER: (re.compile(r"\d+(\.\d+)?"), "a number"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_PLACES: Mapping[str, Mapping[str, Place]] = {
    "command": {"command": Place.ARGUMENT, "environment": Place.VARIABLE},
    "http": {"url": Place.URL, "headers": Place.HEADER, "json": Place.JSON},
    "runbook": {"url": Place.URL},
    "scale": {"name": Place.NAME, "replicas": Place.NUMBER},
    "rate-limit": {"service": Place.NAME, "per_second": Place.NUMBER},
    "route-weights": {"service": Place.NAME},
    "migrate": {"service": Place.NAME, "source": Place.NAME, "to": Place.NAME},
    "config-rollback": {"scope": Place.NAME, "revision": Place.NAME},
}
_ANY_NAME: Mapping[str, Place] = {"name": Place.NAME}


def place_of(action: str, path: Path) -> Place:
    """What the text at a path of an action's arguments is."""
    return _PLACES.get(action, _ANY_NAME).get(str(path[0]), Place.FIXED)


def texts_in(arguments: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of some arguments that asks for labels, with its path."""
    if isinstance(arguments, dict):
        for key, item in arguments.items():
            yield from texts_in(item, (*path, key))
    elif isinstance(arguments, list | tuple):
        for index, item in enumerate(arguments):
            yield from texts_in(item, (*path, index))
    elif isinstance(arguments, str) and names_in(arguments):
        yield path, arguments


def check_values(action: str, arguments: Mapping[str, object], labels: Mapping[str, str]) -> None:
    """Accept the labels that a call will hold.

    Raises:
        ConfigError: one could be something else there than a value; names label and place.
    """
    for path, text in texts_in(arguments):
        for name in sorted(names_in(text) & labels.keys()):
            wrong = _wrong(place_of(action, path), labels[name], is_result=name.startswith(RESULT))
            if wrong:
                where = ".".join(map(str, path))
                value = "" if name.startswith(RESULT) else f" is {labels[name][:60]!r}"  # a result is for operators
                raise ConfigError(f"{action}: {where}: the value of {name}{value}: {wrong}")


def _wrong(place: Place, value: str, *, is_result: bool) -> str:
    """Why the value cannot stand there; empty if it can."""
    longest = LONGEST.get(place, LONGEST_JSON)
    pattern, words = _ALLOWED.get(place, (None, ""))
    reason = ""
    if len(value) > longest:
        reason = f"{len(value)} characters; at most {longest} can stand in a {place}"
    elif place is Place.JSON or (place is Place.FIXED and is_result):
        pass
    elif not value:
        reason = f"it is empty, which would make another {place} of it"
    elif _CONTROL.search(value):
        reason = f"it has a control character, which cannot stand in a {place}"
    elif pattern is not None and not pattern.fullmatch(value):
        reason = f"a {place} takes {words}"
    elif place in _PATHS and not {".", ".."}.isdisjoint(re.split(r"[/\\]", value)):
        reason = "a segment . or .. would lead to another place"
    return reason
