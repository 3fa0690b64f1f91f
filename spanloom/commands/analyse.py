"""`spanloom analyse`: recorded telemetry through the pipeline, results as files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click

from spanloom import clock
from spanloom.logging import set_up_logging


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def analyse(files: tuple[Path, ...], out: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run OTLP-JSON lines (plain or .gz) through the same stream agents as live telemetry, to the end.

    Writes traces, hops, edges, logs, anomalies and culprits as JSON lines into --out.
    """
    from spanloom.analysis import Analysis  # noqa: PLC0415 - Faust takes a second to import

    set_up_logging("WARNING")
    summary = asyncio.run(Analysis(files, out, clock.system).run())
    if as_json:
        click.echo(json.dumps(asdict(summary)))
        return
    click.echo(
        f"{summary.spans_in} spans in, {summary.spans_out} out, in {summary.traces} traces; {summary.orphans} orphans; "
        f"{summary.logs_joined} of {summary.logs_with_trace} logs joined; {summary.seconds:.1f} s"
    )
    for rank, (service, score) in enumerate(summary.ranking[:5], 1):
        click.echo(f"{rank}. {service} {score:.2f}")
    click.echo(f"results in {out}")
