"""`spanloom components`: what receives, detects, notifies, acts and stores, and how it is configured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import yaml

from spanloom.failure import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def components() -> None:
    """Look at the components that this installation has."""


@components.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List receivers, detectors, notifiers, actions, what actions act through, and stores."""
    found = _described()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo(f"{one['kind']:<9} {one['name']:<16} {one['stability']:<13} {one['summary']}")


@components.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show a component with its settings and their defaults. Where two kinds have the NAME, both, or one as KIND/NAME."""
    found = [one for one in _described() if name in {one["name"], f"{one['kind']}/{one['name']}"}]
    if not found:
        raise click.UsageError(f"no component {name!r}: spanloom components list has their names")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n\n".join("\n".join(_lines(one)) for one in found))


def _described() -> list[JsonObject]:
    from spanloom import components  # noqa: PLC0415 - all of them are imported
    from spanloom.reference.components import describe  # noqa: PLC0415

    return [describe(one) for one in components.components()]


def _lines(one: JsonObject) -> Iterator[str]:
    yield f"{one['kind']}/{one['name']} ({one['stability']}): {one['summary']}"
    if one["extras"]:
        yield f"needs: pip install 'spanloom[{','.join(one['extras'])}]'"
    if not one["section"]:
        yield "nothing to configure"
        return
    yield f"section: {one['section']}"
    if one["secrets"]:
        yield f"secrets: {', '.join(one['secrets'])}"
    if one["example"]:
        yield "for example:"
        yield from ("  " + line for line in yaml.safe_dump(one["example"], sort_keys=False).splitlines())
    yield "settings:"
    for setting in one["settings"]:
        default = "has to be set" if setting["default"] is None else f"default {setting['default']}"
        yield f"  {setting['path']}: {setting['type']}, {default}"
        if setting["description"]:
            yield f"      {setting['description']}"
