"""`spanloom receivers`: check an Alertmanager configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerting.alertmanager.config import parse_config
from spanloom.components import NOTIFIERS
from spanloom.failure import WRONG, Commands, Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.alertmanager.config import AlertmanagerConfig
    from alerting.alertmanager.routes import Route


@click.group(cls=Commands)
def receivers() -> None:
    """Check receivers, routes and inhibition rules in Alertmanager's format."""


@receivers.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Report every mistake in the FILES with line and column, or what each has. Exit code 2 if there is a mistake."""
    problems = []
    for path in files:
        try:
            config = parse_config(path.read_text(encoding="utf-8"), str(path), NOTIFIERS)
        except (SpanloomError, UnicodeDecodeError) as error:
            problems.append(str(error) if isinstance(error, SpanloomError) else f"{path}: cannot be read: {error}")
        else:
            for line in _said(config):
                click.echo(f"{path}: {line}")
    if problems:
        raise Failure("\n".join(problems), WRONG)


def _said(config: AlertmanagerConfig) -> Iterator[str]:
    routes = list(_routes(config.root))
    inhibits = len(config.inhibit) + len(config.topology)
    yield f"{len(routes)} routes, {inhibits} inhibition rules, {len(config.intervals or {})} time intervals"
    used = {route.receiver for route in routes}
    for name, integrations in config.integrations.items():
        ways = ", ".join(integration.kind for integration in integrations) or "nobody is notified"
        yield f"{name}: {ways}" + ("" if name in used else " (no route leads to it)")


def _routes(route: Route) -> Iterator[Route]:
    yield route
    for child in route.routes:
        yield from _routes(child)
