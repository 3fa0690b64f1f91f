"""Titles and texts of notifications, by Go templates over Alertmanager's notification data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alerting.notify.notification import common
from alerting.templates.execute import Items, Labels, compile_template
from alerting.templates.functions import NOTIFICATION
from alerting.templates.syntax import TemplateError
from telemetry.documents import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.board import HeldAlert
    from alerting.notify.notification import Notification
    from alerting.templates.execute import Template
    from alerting.templates.syntax import Node

TITLE = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] '
    '{{ .GroupLabels.SortedPairs.Values | join " " }}'
)
"""A line for one group."""
TEXT = (
    "{{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }}: "
    "{{ if .Annotations.summary }}{{ .Annotations.summary }}{{ else }}{{ .Annotations.description }}{{ end }}\n"
    '{{ range .Labels.SortedPairs }}  {{ .Name }}="{{ .Value }}"\n{{ end }}{{ end }}'
)
"""A paragraph for each alert."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Compiled templates of one receiver, by the name of its field."""

    templates: Mapping[str, Template]
    external_url: str = ""

    def render(self, name: str, notification: Notification) -> str:
        """The field's text; a template that fails says so in its place, for the notification must not get lost by it."""
        try:
            return self.templates[name].render(data_of(notification, self.external_url), NOTIFICATION)
        except TemplateError as error:
            return f"<error in template of {name}: {error}>"


def compile_texts(fields: Mapping[str, str], external_url: str, library: Mapping[str, tuple[Node, ...]] | None = None) -> Texts:
    """Compile the templates of a receiver's fields.

    Raises:
        TemplateError: names the field.
    """
    compiled = {}
    for name, text in fields.items():
        try:
            compiled[name] = compile_template(text, NOTIFICATION, library)
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from None
    return Texts(compiled, external_url)


def data_of(notification: Notification, external_url: str) -> dict[str, Any]:
    """What templates see.

    https://prometheus.io/docs/alerting/latest/notifications/#data
    """
    firing = [_alert(alert, "firing") for alert in notification.firing]
    resolved = [_alert(alert, "resolved") for alert in notification.alerts if alert in notification.resolved]
    every = notification.alerts
    common_labels, common_annotations = (
        _common([alert.labels for alert in every]),
        _common([alert.annotations for alert in every]),
    )
    return {
        "Receiver": notification.integration.receiver,
        "Status": notification.status,
        "Alerts": Items(firing + resolved, Firing=firing, Resolved=resolved),
        "GroupLabels": Labels(notification.group_labels),
        "CommonLabels": common_labels,
        "CommonAnnotations": common_annotations,
        "ExternalURL": external_url,
    }


def _alert(alert: HeldAlert, status: str) -> dict[str, Any]:
    return {
        "Status": status,
        "Labels": Labels(alert.labels),
        "Annotations": Labels(alert.annotations),
        "StartsAt": timestamp(alert.starts_at),
        "EndsAt": timestamp(alert.ends_at),
        "GeneratorURL": alert.generator_url,
        "Fingerprint": alert.fingerprint,
    }


def _common(maps: list[Mapping[str, str]]) -> Labels:
    return Labels(common(maps))
