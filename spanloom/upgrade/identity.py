"""What users see named otherwise after an upgrade, as far as the newest spans show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanloom.upgrade.item import Outcome, UpgradeItem
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from telemetry.documents import Body

PART = "identity"
SPANS = 5000
"""Newest spans that are read."""

SHOWN = 5
"""Names in a line at most."""

_ENVIRONMENT_NAMES = ("deployment.environment.name", "deployment.environment")
_DATABASE = ("db.system.name", "db.system")


def identities(spans: Iterable[Body]) -> Iterator[UpgradeItem]:
    """Services with a namespace, environments and databases, of spans that 0.2.0 stored: these have no `environment`."""
    services, environments, databases = dict[str, None](), dict[str, None](), dict[str, None]()
    for span in spans:
        if "environment" in span:
            continue
        resource = _attributes(span.get("resource"))
        namespace, service = resource.get("service.namespace"), resource.get("service.name")
        if namespace:
            services[f"{namespace}/{service}"] = None
        named = next((resource[name] for name in _ENVIRONMENT_NAMES if resource.get(name)), DEFAULT_ENVIRONMENT)
        if named != DEFAULT_ENVIRONMENT:
            environments[str(named)] = None
        attributes = _attributes(span)
        if any(attributes.get(name) for name in _DATABASE):
            databases[str(next(attributes[name] for name in _DATABASE if attributes.get(name)))] = None
    if services:
        yield UpgradeItem(
            PART, "services", Outcome.RELEARNED,
            f"{_shown(services)}: rules, silences and playbooks have to name them so; their edges and shapes are learned again",
        )  # fmt: skip
    if environments:
        yield UpgradeItem(
            PART, "environments", Outcome.RELEARNED,
            f"{_shown(environments)}: decided apart; their alerts resolve once and fire again with the label environment, "
            "their edges and shapes are learned again",
        )  # fmt: skip
    if databases:
        yield UpgradeItem(
            PART, "databases", Outcome.RELEARNED,
            f"{_shown(databases)}: nodes have new names, as postgresql://host/name; rules that name them have to be changed",
        )  # fmt: skip


def _attributes(of: object) -> Body:
    found = of.get("attributes") if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}


def _shown(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
