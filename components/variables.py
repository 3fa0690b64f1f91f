"""Variables of the environment that are nearly those of a setting: a typo that would otherwise change nothing, silently."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PREFIX = "SPANLOOM_"

OTHERS = frozenset(
    {"SPANLOOM_CONFIG", "SPANLOOM_TOKEN", "SPANLOOM_URL", "SPANLOOM_STEP", "SPANLOOM_LOG_LEVEL", "SPANLOOM_LOG_FORMAT"}
)
"""Variables of ours that are no settings."""

_OF_KUBERNETES = re.compile("_SERVICE_(HOST|PORT)(_|$)|_PORT_[0-9]+_(TCP|UDP)")
"""Variables that Kubernetes makes of the names of services."""

SIMILAR = 0.85
"""From that ratio of difflib's on a name is a mistake for another. What is unlike any is somebody else's: Kubernetes makes
variables with the names of services, tests have their own."""


def misspelt(environ: Mapping[str, str], config: type[BaseModel]) -> list[str]:
    """A line for each variable that is nearly a setting."""
    known = [*OTHERS, *(PREFIX + path.upper() for path in _paths(config))]
    found = []
    for name in unknown(environ, config):
        close = get_close_matches(name, known, n=1, cutoff=SIMILAR)
        found += [f"{name}: there is no such setting; did you mean {one}?" for one in close]
    return found


def unknown(environ: Mapping[str, str], config: type[BaseModel]) -> list[str]:
    """Variables that look like ours and set nothing."""
    known = {*OTHERS, *(PREFIX + path.upper() for path in _paths(config))}
    sections = tuple(PREFIX + field.upper() + "__" for field in config.model_fields)
    return [name for name, value in environ.items() if _is_unusual(name, value, known, sections)]


def _is_unusual(name: str, value: str, known: Collection[str], sections: tuple[str, ...]) -> bool:
    unusual = name.startswith(PREFIX) and name not in known and not name.startswith(sections)
    return unusual and "://" not in value and not _OF_KUBERNETES.search(name)


def _paths(config: type[BaseModel], above: str = "") -> Iterator[str]:
    """The names of all settings, with `__` between the levels."""
    for name, field in config.model_fields.items():
        yield above + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _paths(field.annotation, f"{above}{name}__")
