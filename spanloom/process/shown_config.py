"""The effective configuration as people may see it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from components.secrets import SECRETS
from components.variables import PREFIX
from spanloom.config import without_password
from spanloom.config_mistakes import config_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spanloom.config import Config
    from telemetry.json_object import JsonObject


def shown_config(config: Config) -> JsonObject:
    """Defaults, file and environment together, with secrets and passwords in URLs masked."""
    found = config.model_dump(mode="json")  # SecretStr prints as stars
    found |= {"log": config.log_url, "store": config.store_url}
    for name in ("log", "store", "supervisor_url"):
        found[name] = without_password(found[name])
    masked: JsonObject = SECRETS.mask_data(found)
    return masked


def sources(config: Config) -> Iterator[tuple[str, object, str]]:
    """Each setting, its value as it may be shown, and the variable, place in the file or default that it is from."""
    named = os.environ.get("SPANLOOM_CONFIG")
    file = config_file(Path(named)) if named else None
    variables = {name.upper(): name for name in os.environ}
    for path, value in _leaves(shown_config(config)):
        source = _variable(path, value, variables)
        if source is None and file is not None and _is_in(file.data, path, value):
            source = f"{file.name}:{file.place(path)}"
        yield ".".join(path), value, source or "default"


def _variable(path: tuple[str, ...], value: object, variables: Mapping[str, str]) -> str | None:
    for end in range(len(path), 0, -1):
        name = variables.get((PREFIX + "__".join(path[:end])).upper())
        if name is not None and _is_in(_read(os.environ[name]), path[end:], value):
            return name
    return None


def _read(text: str) -> object:
    """What the variable of a section has, if it is an object."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def _leaves(section: JsonObject, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in section.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _is_in(data: object, path: tuple[str, ...], value: object) -> bool:
    """Whether what is written says the value of a setting. A text may stand for the settings of a section: HOST:PORT."""
    for number, step in enumerate(path, 1):
        if not isinstance(data, dict):
            return data is not None and number == len(path) and value is not None
        if step not in data:
            return False
        data = data[step]
    return True
