"""Named templates for receivers: those of the files under `templates:`, and those that Alertmanager has by default.

https://prometheus.io/docs/alerting/latest/notification_examples/
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from alerting.gotemplates.functions import NOTIFICATION
from alerting.gotemplates.syntax import MAX_LENGTH, Parser, TemplateError
from alerting.notify.default_templates import DEFAULT_TEMPLATES
from components.live_files import matching
from components.meant import did_you_mean
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from alerting.gotemplates.tree import Node

    Library = Mapping[str, tuple[Node, ...]]

MAX_FILES = 100
"""Most files of templates."""


@cache
def default_library() -> Library:
    """The templates that there are by default."""
    return {name: Parser(text).parse() for name, text in DEFAULT_TEMPLATES.items()}


def read_library(patterns: Iterable[Path]) -> Library:
    """The templates that there are by default, and those of files, which take their place.

    Args:
        patterns: paths that may have wildcards; as in Alertmanager, one that names no file adds nothing.

    Raises:
        ConfigError: names the file and the line.
    """
    library = dict(default_library())
    paths = list(dict.fromkeys(path for pattern in patterns for path in matching(str(pattern)) if path.is_file()))
    if len(paths) > MAX_FILES:
        raise ConfigError(f"templates: {len(paths)} files; at most {MAX_FILES}")
    for path in paths:
        library |= _read(path)
    return library


def _read(path: Path) -> dict[str, tuple[Node, ...]]:
    try:
        with path.open(encoding="utf-8") as file:
            parser = Parser(file.read(MAX_LENGTH + 1))
        parser.parse()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except TemplateError as error:
        raise ConfigError(f"{path}{_place(parser.text, error.at)}: {error}") from error
    known = {*NOTIFICATION, "and", "or"}
    for name, at in parser.functions.items():
        if name not in known:
            raise ConfigError(f'{path}{_place(parser.text, at)}: function "{name}" not defined{did_you_mean(name, known)}')
    return parser.defined


def _place(text: str, at: int | None) -> str:
    """`:LINE:COLUMN` of a character."""
    return "" if at is None else f":{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"
