"""Titles and texts of notifications, by Go templates over Alertmanager's notification data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from alerting.gotemplates.execute import compile_template
from alerting.gotemplates.functions import NOTIFICATION
from alerting.gotemplates.syntax import TemplateError
from alerting.gotemplates.values import Items, KeyValues
from alerting.notify.default_templates import TEXT, TITLE
from alerting.notify.library import default_library
from alerting.notify.notification import common
from telemetry.documents import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.alerts import StoredAlert
    from alerting.gotemplates.execute import Template
    from alerting.gotemplates.tree import Node
    from alerting.notify.notification import Notification
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TextCounts:
    """What became of texts, since the start."""

    failed: int = 0  # a default one was sent in place of a template that failed


@dataclass(frozen=True, slots=True)
class Texts:
    """Compiled templates of one receiver, by the name of its field."""

    templates: Mapping[str, Template]
    external_url: str = ""
    counts: TextCounts = field(default_factory=TextCounts)

    def render(self, name: str, notification: Notification, *, as_html: bool = False) -> str:
        """The field's text; where its template fails a default one, for the notification must not get lost by it.

        In HTML the values of alerts are escaped.
        """
        data = data_of(notification, self.external_url)
        escape = _escaped if as_html or name == "html" else str
        try:
            return self.templates[name].render(data, NOTIFICATION, escape)
        except TemplateError as error:
            self.counts.failed += 1
            log.error(  # noqa: TRY400  # the reason says it all
                "template_failed",
                field=name,
                integration=notification.integration.id,
                reason=str(error),
                hint="default text sent",
            )
            default = _DEFAULTS.get(name)
            return default.render(data, NOTIFICATION, escape) if default is not None else ""


def _escaped(text: str) -> str:
    """The text for HTML, as Go's templates write it: numbers in place of `&quot;`, which not all that reads HTML knows."""
    for sign, entity in (("&", "&amp;"), ('"', "&#34;"), ("'", "&#39;"), ("+", "&#43;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, entity)
    return text


def truncate(text: str, longest: int) -> str:
    """The text, at most so many characters long; where it was longer it ends with an ellipsis, as Alertmanager's does."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def truncate_bytes(text: str, longest: int) -> str:
    """The text, at most so many bytes of UTF-8 long; where it was longer it ends with an ellipsis."""
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= longest else encoded[: longest - len("…".encode())].decode(errors="ignore") + "…"


def compile_texts(
    fields: Mapping[str, str],
    external_url: str,
    library: Mapping[str, tuple[Node, ...]] | None = None,
    counts: TextCounts | None = None,
) -> Texts:
    """Compile the templates of a receiver's fields; without a library they may name the default ones.

    Raises:
        TemplateError: names the field.
    """
    compiled = {}
    for name, text in fields.items():
        try:
            compiled[name] = compile_template(text, NOTIFICATION, default_library() if library is None else library)
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}", error.at) from None
    return Texts(compiled, external_url, counts or TextCounts())


_TITLES = ("title", "description", "fallback", "headers.subject", "summary", "subject", "entity_display_name")
_TEXTS = ("text", "body", "html", "message", "state_message")
_DEFAULTS = {
    name: compile_template(text, NOTIFICATION, default_library())
    for text, names in ((TITLE, _TITLES), (TEXT, _TEXTS))
    for name in names
}
"""What is sent in place of what failed; other fields are left empty, as a channel that is not one would lose it all."""


def data_of(notification: Notification, external_url: str) -> JsonObject:
    """What templates see.

    https://prometheus.io/docs/alerting/latest/notifications/#data
    """
    every = notification.alerts
    prints = {alert.fingerprint for alert in notification.firing}
    shown = [_alert(alert, "firing" if alert.fingerprint in prints else "resolved") for alert in every]
    firing, resolved = ([each for each in shown if each["Status"] == status] for status in ("firing", "resolved"))
    common_labels, common_annotations = (
        _common([alert.labels for alert in every]),
        _common([alert.annotations for alert in every]),
    )
    return {
        "Receiver": notification.integration.receiver,
        "Status": notification.status,
        "Alerts": Items(shown, Firing=firing, Resolved=resolved),
        "GroupLabels": KeyValues(notification.group_labels),
        "CommonLabels": common_labels,
        "CommonAnnotations": common_annotations,
        "ExternalURL": external_url,
    }


def _alert(alert: StoredAlert, status: str) -> JsonObject:
    return {
        "Status": status,
        "Labels": KeyValues(alert.labels),
        "Annotations": KeyValues(alert.annotations),
        "StartsAt": timestamp(alert.starts_at),
        "EndsAt": timestamp(alert.ends_at),
        "GeneratorURL": alert.generator_url,
        "Fingerprint": alert.fingerprint,
    }


def _common(maps: list[Mapping[str, str]]) -> KeyValues:
    return KeyValues(common(maps))
