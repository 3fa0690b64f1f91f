"""Named templates for receivers: those of the files under `templates:`, and those that Alertmanager has by default.

https://prometheus.io/docs/alerting/latest/notification_examples/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.gotemplates.functions import NOTIFICATION
from alerting.gotemplates.syntax import MAX_LENGTH, Parser, TemplateError
from alerting.notify.text import TEXT, TITLE
from components.live_files import matching
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from alerting.gotemplates.tree import Node

    Library = Mapping[str, tuple[Node, ...]]

MAX_FILES = 100
"""Most files of templates."""

_LIST = "{{ range . }}{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}{{ end }}"
_DEFAULTS = {
    "__alertmanager": "Spanloom",
    "__alertmanagerURL": "{{ .ExternalURL }}",
    "__subject": TITLE,
    "__text_alert_list": _LIST,
    "__description": TEXT,
    "slack.default.title": TITLE,
    "slack.default.username": "Spanloom",
    "slack.default.fallback": TITLE,
    "slack.default.callbackid": "",
    "slack.default.pretext": "",
    "slack.default.titlelink": "{{ .ExternalURL }}",
    "slack.default.iconemoji": "",
    "slack.default.iconurl": "",
    "slack.default.text": TEXT,
    "slack.default.footer": "",
    "pagerduty.default.description": TITLE,
    "pagerduty.default.client": "Spanloom",
    "pagerduty.default.clientURL": "{{ .ExternalURL }}",
    "pagerduty.default.instances": _LIST,
    "email.default.subject": TITLE,
    "email.default.html": "<pre>{{ range .Alerts }}"
    "{{ .Status | toUpper }} {{ .Labels.alertname }}: {{ .Annotations.summary }}\n"
    '{{ range .Labels.SortedPairs }}  {{ .Name }}="{{ .Value }}"\n{{ end }}{{ end }}</pre>'
    '<p><a href="{{ .ExternalURL }}">{{ .ExternalURL }}</a></p>',
}
"""Alertmanager's names, our texts."""


def read_library(patterns: Iterable[Path]) -> Library:
    """The templates that there are by default, and those of files, which take their place.

    Args:
        patterns: paths that may have wildcards; as in Alertmanager, one that names no file adds nothing.

    Raises:
        ConfigError: names the file and the line.
    """
    library = {name: Parser(text).parse() for name, text in _DEFAULTS.items()}
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
        raise ConfigError(f"{path}: {error}") from error
    unknown = sorted(parser.functions - {*NOTIFICATION, "and", "or"})
    if unknown:
        raise ConfigError(f'{path}: function "{unknown[0]}" not defined')
    return parser.defined
