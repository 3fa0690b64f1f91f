"""What 0.2.0 saved of the logs: by service alone. What it knew of a service is about the environment of its last line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.detectors.log_templates import key_of
from telemetry.environment import DEFAULT_ENVIRONMENT, with_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.json_object import JsonObject


def upgraded(snapshot: JsonObject) -> JsonObject:
    """A snapshot of the log detector in today's form, whoever wrote it."""
    if "watched_in" in snapshot:
        return snapshot
    services = [[row[0], row[1] or DEFAULT_ENVIRONMENT, *row[2:]] for row in snapshot["services"]]
    environment: dict[str, str] = {row[0]: row[1] for row in services}

    def of(service: str) -> str:
        return environment.get(service, DEFAULT_ENVIRONMENT)

    watched = [(service, template, of(service)) for service, template in snapshot["watched"]]
    templates, series = snapshot["templates"], snapshot["series"]
    return snapshot | {
        "services": services,
        "services_in": [],
        "watched": [row[:2] for row in watched if row[2] == DEFAULT_ENVIRONMENT],
        "watched_in": [row for row in watched if row[2] != DEFAULT_ENVIRONMENT],
        "templates": templates
        | {"templates": [[key_of(row[0], of(row[0])), *row[1:]] for row in templates.get("templates", ())]},
        "series": series | {"series": [[row[0], _labels(row[1], of), *row[2:]] for row in series.get("series", ())]},
    }


def _labels(labels: list[list[str]], of: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple((name, value) for name, value in labels)
    return with_environment(pairs, of(dict(pairs).get("service", "")))
