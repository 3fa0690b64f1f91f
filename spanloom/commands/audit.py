"""`spanloom audit`: whether the audit trail is whole, and the timeline of an incident."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from alerting.playbooks.child_output import REDACTED
from alerting.playbooks.story import timeline_of
from spanloom.access.local_token import authorization
from spanloom.api_client import ApiClient
from spanloom.commands.running import url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands, Failure
from telemetry.audit import Anchor, verify
from telemetry.documents import Kind
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from telemetry.documents import Body

source = click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
environment_option = click.option("--environment", metavar="NAME", help="Only the trail of this environment.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def audit() -> None:
    """Check and read the audit trail of repairs, from a running Spanloom or from a JSON-lines FILE."""


@audit.command("verify")
@source
@url_option
@click.option("--head", metavar="CHAIN:SEQUENCE:HASH", help="An end of a chain that you noted before; it must still be there.")
@environment_option
@json_option
def verify_command(file: Path | None, url: str, head: str | None, environment: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes flags so
    """Find every edit, deletion and reorder. Exit code 1 if there is one, or if there is no trail."""
    anchors = _noted(head)
    # Before the records: an incident that is stored in between would note one that was not read.
    for incident in () if file else _read(None, url, Kind.INCIDENT):
        if noted := incident.get("audit"):
            anchors.append((noted["chain"], Anchor(noted["sequence"], noted["hash"], f"incident {incident['id']}")))
    records = _read(file, url, Kind.AUDIT)
    if any(record.get(REDACTED) for record in records):
        raise Failure(
            "some records come without what commands printed, so that their hashes cannot be checked: that is for operators. "
            "Set SPANLOOM_TOKEN to an operator's token, or SPANLOOM_DATA_DIR to the data folder of a Spanloom on this machine"
        )
    chains = _chains(records, anchors, environment)
    report: list[Body] = []
    for name, chain in sorted(chains.items()):
        # A store gives records by time; what is checked is that their numbers and hashes form one unbroken chain.
        chain.sort(key=_sequence)
        faults = verify(chain, [anchor for of, anchor in anchors if of == name])
        report.append(
            {
                "chain": name,
                "records": len(chain),
                "head": f"{name}:{chain[-1].get('sequence')}:{chain[-1].get('hash')}" if chain else "",
                "faults": [{"sequence": fault.sequence, "reason": fault.reason} for fault in faults],
            }
        )
    broken = not report or any(each["faults"] for each in report)
    if as_json:
        click.echo(orjson.dumps({"whole": not broken, "chains": report}, option=orjson.OPT_INDENT_2))
    else:
        for each in report:
            state = f"{len(each['faults'])} faults" if each["faults"] else "whole"
            click.echo(printable(f"{each['chain']}: {each['records']} records, {state}; head {each['head'] or 'none'}"))
            for fault in each["faults"]:
                click.echo(printable(f"  record {fault['sequence']}: {fault['reason']}"))
        if not report:
            click.echo(f"there is no audit trail{f' of {environment}' if environment else ''}", err=True)
    raise SystemExit(1 if broken else 0)


@audit.command("show")
@click.argument("incident")
@source
@url_option
@environment_option
@json_option
def show_command(incident: str, file: Path | None, url: str, environment: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes flags so
    """Show the timeline of an INCIDENT (id or id prefix)."""
    records = sorted(_read(file, url, Kind.AUDIT), key=_sequence)
    if environment is not None:
        records = [record for record in records if record.get("chain") == environment]
    known = sorted({record.get("incident", "") for record in records if record.get("incident", "").startswith(incident)} - {""})
    if len(known) != 1:
        raise click.UsageError(f"{incident!r} is {'no incident' if not known else 'one of ' + ', '.join(known)} of this trail")
    if as_json:
        timeline = [record for record in records if record.get("incident") == known[0]]
        click.echo(orjson.dumps(timeline, option=orjson.OPT_INDENT_2))
        return
    for line in timeline_of(known[0], records):
        click.echo(printable(line))


def _chains(records: list[Body], anchors: list[tuple[str, Anchor]], environment: str | None) -> dict[str, list[Body]]:
    """The records of each chain, and of those that have none left; of one environment, where it is named."""
    chains: dict[str, list[Body]] = {name: [] for name, _ in anchors}
    for record in records:
        chains.setdefault(str(record.get("chain")), []).append(record)
    return {name: chain for name, chain in chains.items() if environment in {None, name}}


def _sequence(record: Body) -> int:
    sequence = record.get("sequence")
    return sequence if isinstance(sequence, int) else 0


def _noted(head: str | None) -> list[tuple[str, Anchor]]:
    if head is None:
        return []
    chain, sequence, hash_ = ["", "", *head.rsplit(":", 2)][-3:]
    if not chain or not sequence.isdecimal() or len(hash_) != 64:
        raise click.UsageError(f"--head {head!r}: write what `audit verify` printed as head, CHAIN:SEQUENCE:HASH")
    return [(chain, Anchor(int(sequence), hash_, "--head"))]


def _read(file: Path | None, url: str, kind: Kind) -> list[Body]:
    try:
        return asyncio.run(_fetch(url, kind)) if file is None else _lines(file)
    except SpanloomError as error:
        raise Failure.of(error) from error


def _lines(file: Path) -> list[Body]:
    records = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Failure(f"{file}:{number}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise Failure(f"{file}:{number}: not a record: {line[:60]!r}")
        records.append(record)
    return records


async def _fetch(url: str, kind: Kind) -> list[Body]:
    async with ApiClient(url, authorization(url)) as pipeline:
        return await pipeline.find_all(kind)
