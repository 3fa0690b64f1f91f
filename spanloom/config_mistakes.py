"""What is wrong in a configuration: a line for each mistake, with its place and what was probably meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from components.variables import PREFIX
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import ValidationError

UNKNOWN = "extra_forbidden"
"""Pydantic's name for a setting that does not exist."""


def config_file(path: Path) -> YamlFile:
    """The configuration file.

    Raises:
        ConfigError: it cannot be read, or is no YAML of settings.
    """
    try:
        file = YamlFile(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8, at byte {error.start}") from error
    if file.data is not None and not isinstance(file.data, dict):
        raise ConfigError(f"{path}:1:1: must be settings and their values, as `namespace: default`")
    return file


def mistakes(error: ValidationError, model: type[BaseModel], file: YamlFile | None, environ: Mapping[str, str]) -> list[str]:
    """A line for each wrong setting.

    Args:
        error: what the model says.
        model: of the whole configuration.
        file: the configuration file, if there is one.
        environ: variables, which win over the file.
    """
    return [
        _mistake(detail["loc"], detail["msg"], model, file, environ, unknown=detail["type"] == UNKNOWN)
        for detail in error.errors(include_url=False, include_input=False)
    ]


def _mistake(
    path: tuple[str | int, ...],
    message: str,
    model: type[BaseModel],
    file: YamlFile | None,
    environ: Mapping[str, str],
    *,
    unknown: bool,
) -> str:
    setting = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    where = _variable(path, environ)
    if where is None and file is not None:
        where = f"{file.name}:{file.place(path, of_key=unknown)}" if path else file.name
    reason = message.removeprefix("Value error, ")
    if unknown:
        close = get_close_matches(str(path[-1]), _fields(model, path[:-1]), n=1)
        reason = f"there is no such setting{f'; did you mean {close[0]}?' if close else ''}"
    return ": ".join(part for part in (where or "the environment", setting, reason) if part)


def _variable(path: Sequence[str | int], environ: Mapping[str, str]) -> str | None:
    """The variable that sets what the path leads to, or what that is part of."""
    names = {name.upper(): name for name in environ}
    for end in range(len(path), 0, -1):
        name = names.get(PREFIX + "__".join(str(step) for step in path[:end]).upper())
        if name is not None:
            return name
    return None


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The settings of the section that a path leads to; those of all that it could be."""
    models = [model]
    for step in path:
        if isinstance(step, str):
            inner = [one.model_fields[step].annotation for one in models if step in one.model_fields]
            models = [found for annotation in inner for found in _models(annotation)] or models
    return [name for one in models for name in one.model_fields]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a type: of it, its alternatives, its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
