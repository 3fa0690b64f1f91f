"""`spanloom analyse`: recorded telemetry through the pipeline, results as files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click

from spanloom import clock
from spanloom.commands.progress import reading
from spanloom.commands.terminal import printable
from spanloom.logging import set_up_logging


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option("--scores", is_flag=True, help="Also write scores.csv: every metric point with its anomaly score.")
@click.option("--environment", default="", help="Write only this environment; `default` is telemetry that names none.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def analyse(
    files: tuple[Path, ...],
    out: Path,
    scores: bool,  # noqa: FBT001 - click passes flags so
    environment: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Run OTLP-JSON lines (plain or .gz) through the same stream agents as live telemetry, to the end.

    Writes traces, hops, edges, logs, anomalies and culprits as JSON lines into --out. A line that cannot be read ends the
    run with its place and exit code 1, and nothing is written.
    """
    from spanloom.offline.analysis import Analysis  # noqa: PLC0415 - Faust takes a second to import

    set_up_logging("error")  # Faust warns of timers that a busy machine runs late
    with reading(files, as_json=as_json) as show:
        analysis = Analysis(files, out, clock.system, scores=scores, environment=environment, progress=show)
        summary = asyncio.run(analysis.run())
    if as_json:
        click.echo(json.dumps(asdict(summary)))
        return
    click.echo(
        f"{summary.spans_in} spans in, {summary.spans_out} out, in {summary.traces} traces; {summary.orphans} orphans; "
        f"{summary.logs_joined} of {summary.logs_with_trace} logs joined; {summary.seconds:.1f} s"
    )
    for name, ranking in sorted(summary.rankings.items()):
        if len(summary.rankings) > 1:
            click.echo(f"in {printable(name)}:")
        for rank, (service, score) in enumerate(ranking[:5], 1):
            click.echo(f"{rank}. {printable(service)} {score:.2f}")
    click.echo(f"results in {out}")
