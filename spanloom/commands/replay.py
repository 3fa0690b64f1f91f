"""`spanloom replay`: recorded telemetry to an OTLP endpoint."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import httpx2
from rich.console import Console

from collectors.replay.batches import batches
from collectors.replay.client import OtlpClient
from collectors.replay.files import OtlpFile
from collectors.replay.replay import Replay
from spanloom.commands.progress import reading
from spanloom.failure import Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.replay.files import Request
    from collectors.replay.replay import ReplaySummary


class _Speed(click.ParamType):
    """`full`, `original`, or a number of times the original."""

    name = "full|original|N"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value in {"full", "original"}:
            return None if value == "full" else 1.0
        try:
            speed = float(value.removesuffix("x"))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is not full, original or a number above 0", param, ctx)
        return speed


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--endpoint", default="http://127.0.0.1:4318", show_default=True, help="Base URL of an OTLP/HTTP receiver.")
@click.option("--speed", type=_Speed(), default="full", show_default=True, help="How fast, by the times in the telemetry.")
@click.option("--batch", default=200, show_default=True, type=click.IntRange(1), help="Lines of one signal in one request.")
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1, 256), help="Requests under way at a time.")
@click.option("--keep-going", is_flag=True, help="Report bad lines and refused items, and send the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(
    files: tuple[Path, ...],
    endpoint: str,
    speed: float | None,
    batch: int,
    concurrency: int,
    keep_going: bool,  # noqa: FBT001 - click passes flags so
    as_json: bool,  # noqa: FBT001
) -> None:
    """Send FILES of OTLP/JSON lines, plain or gzip, to an OTLP/HTTP endpoint, one file after the other.

    Exit code 0 when all of it was sent and accepted, 1 when something was not, 2 for a wrong command.
    """
    console = Console(stderr=True)
    replaced: dict[Path, int] = {}
    complaints: list[SpanloomError] = []

    def complain(error: SpanloomError) -> None:
        complaints.append(error)
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)

    on_error = complain if keep_going else None

    async def run() -> ReplaySummary:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
            replay = Replay(OtlpClient(endpoint, http), concurrency, on_error)
            return await replay.run(batches(requests(), batch, speed))

    show: Callable[[Path, int], None]

    def requests() -> Iterator[Request]:
        for path in files:
            file = OtlpFile(path, on_error)
            for request in file:
                yield request
                show(path, file.position)
            replaced[path] = file.replaced

    try:
        with reading(files, as_json=as_json) as show:
            summary = asyncio.run(run())
    except (SpanloomError, OSError) as error:
        raise Failure.of(error) from error
    summary.replaced = sum(replaced.values())
    click.echo(json.dumps(asdict(summary)) if as_json else _words(summary))
    if complaints:
        raise click.exceptions.Exit(1)


def _words(summary: ReplaySummary) -> str:
    rate = (summary.spans + summary.logs + summary.points) / max(summary.seconds, 1e-9)
    return (
        f"{summary.lines} lines in {summary.requests} requests: {summary.spans} spans, {summary.logs} logs and "
        f"{summary.points} points accepted, {summary.refused} rejected, {summary.retries} retries, "
        f"{summary.replaced} texts replaced, {summary.seconds:.1f} s, {rate:,.0f} items/s"
    )
