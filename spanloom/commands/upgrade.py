"""`spanloom upgrade`: what this release changes of what another one left, and the change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from spanloom import clock
from spanloom.commands.progress import doing
from spanloom.commands.terminal import printable
from spanloom.logging import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanloom.upgrade.item import UpgradeItem


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--dry-run", is_flag=True, help="Report only; nothing is changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def upgrade(config: Path | None, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Prepare the log and the store of another release for this one, part by part. Safe to run again.

    Embedded: stop `spanloom up` first. Distributed: run it before the first worker of this release; those of the release
    before go on meanwhile. Exit code 1 where something is refused, and then nothing is changed.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.upgrade.item import Outcome  # noqa: PLC0415 - as above
    from spanloom.upgrade.upgrade import alone, change, look  # noqa: PLC0415 - as above

    set_up_logging()  # to the standard error
    settings = load_config(config)

    async def run() -> list[UpgradeItem]:
        found = await look(settings, clock.system())
        if dry_run or any(item.outcome is Outcome.REFUSED for item in found):
            return found
        following("changing the log and the store")
        return await change(settings, found)

    with doing("looking at the log and the store", as_json=as_json) as following:
        found = asyncio.run(alone(settings, run))
    refused = any(item.outcome is Outcome.REFUSED for item in found)
    if as_json:
        plain = [item.plain() for item in found]
        click.echo(orjson.dumps({"dry_run": dry_run, "refused": refused, "items": plain}, option=orjson.OPT_INDENT_2))
    else:
        show(found, dry_run=dry_run)
    raise SystemExit(1 if refused else 0)


def show(found: Sequence[UpgradeItem], *, dry_run: bool) -> None:
    """A line for each part, and what it comes to."""
    from spanloom.upgrade.item import Outcome  # noqa: PLC0415 - as above

    width = max((len(item.name) for item in found), default=0)
    for item in found:
        click.echo(printable(f"{item.part:8}  {item.name:{width}}  {item.outcome:9}  {item.text}"))
    count = {outcome: sum(item.outcome is outcome for item in found) for outcome in Outcome}
    if count[Outcome.REFUSED]:
        click.echo(f"{count[Outcome.REFUSED]} refused: nothing was changed", err=True)
    elif dry_run:
        click.echo(f"{count[Outcome.CHANGES]} to change: run it without --dry-run, or start this release", err=True)
    else:
        click.echo(f"{count[Outcome.CHANGED]} changed", err=True)
