"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` for the known name that is closest to one, or nothing if none is close."""
    close = get_close_matches(name, sorted(set(known)), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The fields, as they are written, of the part of a model that a path leads to; those of all that it could be."""
    return [info.alias or name for one in _parts(model, path) for name, info in one.model_fields.items()]


def is_plain(model: type[BaseModel], path: Sequence[str | int]) -> bool:
    """Whether what a path leads to is a text, a number or the like: no list, no section."""
    infos = [info for one in _parts(model, path[:-1]) for name, info in one.model_fields.items() if name == path[-1]]
    return not any(
        re.search(r"\b(?:list|tuple|dict|set|Sequence)\[|Model", repr(info.annotation)) for info in infos
    ) and not any([*_models(info.annotation)] for info in infos)


def _parts(model: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    models = [model]
    for step in path:
        if isinstance(step, str):
            inner = [
                info.annotation
                for one in models
                for name, info in one.model_fields.items()
                if step in {name, info.alias or name}
            ]
            models = [found for annotation in inner for found in _models(annotation)] or models
    return models


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a type: of it, its alternatives, its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
