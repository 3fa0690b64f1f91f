"""What is wrong in a configuration: a line for each mistake, with its place and what was probably meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from components.meant import did_you_mean, fields, is_plain
from components.variables import PREFIX
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails
    from pydantic_settings import SettingsError

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
        _mistake(detail["loc"], _reason(detail, model), model, file, environ, unknown=detail["type"] == UNKNOWN)
        for detail in error.errors(include_url=False, include_input=False)
    ]


def _reason(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] in {"model_type", "model_attributes_type"}:
        return f"this is a section; its settings are {', '.join(fields(model, detail['loc']))}"
    return detail["msg"]


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
        reason = f"there is no such setting{did_you_mean(str(path[-1]), fields(model, path[:-1]))}"
    return ": ".join(part for part in (where or "the environment", setting, reason) if part)


def _variable(path: Sequence[str | int], environ: Mapping[str, str]) -> str | None:
    """The variable that sets what the path leads to, or what that is part of."""
    names = {name.upper(): name for name in environ}
    for end in range(len(path), 0, -1):
        name = names.get(PREFIX + "__".join(str(step) for step in path[:end]).upper())
        if name is not None:
            return name
    return None


def no_json(error: SettingsError, model: type[BaseModel], environ: Mapping[str, str]) -> list[str]:
    """Which variables of lists and sections cannot be read; the error names the section alone."""
    found = []
    for variable, value in environ.items():
        path = variable.lower().removeprefix(PREFIX.lower()).split("__")
        of_it = variable.upper().startswith(PREFIX) and f'"{path[0]}"' in str(error)
        if of_it and path[-1] in fields(model, path[:-1]) and not is_plain(model, path):
            try:
                json.loads(value)
            except ValueError:
                inner = [] if len(path) > 1 else fields(model, path)
                instead = f", or set {variable}__{inner[0].upper()} and so on" if inner else ', as ["a"] or {"a": 1}'
                found.append(f"{variable}: {'.'.join(path)}: must be JSON{instead}")
    return found or [f"the environment: {error}: must be JSON"]
