"""Prints the measured tables of docs/analysis.md: `python -m tests.eval.run`, from the public data beside the checkout.

With `--stream` the cases also go through `spanloom analyse`, which takes some fifteen seconds each.
"""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.eval import nab, nezha

WIDTH = 120
"""Columns of the tables in a pipe, which has none of its own."""

SHARED = Path(__file__).parents[3] / "shared"


def scorer(name: str) -> Any:
    """The scorer that comes with the data."""
    spec = importlib.util.spec_from_file_location(name, SHARED / "eval" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SHARED / "eval" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(title: str, rows: list[tuple[str, ...]]) -> Table:
    """Rows as a table; the first has the names of the columns."""
    table = Table(*rows[0], title=title)
    table.columns[0].no_wrap = True
    for row in rows[1:]:
        table.add_row(*row)
    return table


def main() -> int:
    """Measure and print; without the data nothing is measured, and a line says so."""
    missing = [str(SHARED / part) for part in ("eval", "data") if not (SHARED / part).is_dir()]
    if missing:
        sys.stderr.write(f"NOTHING MEASURED: {', '.join(missing)} missing; there the public cases, series and scorers belong\n")
        return 0
    series_scorer, case_scorer = scorer("score_nab"), scorer("score_nezha")
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    stream = sys.argv[1:] == ["--stream"]
    files = series_scorer.files()
    cases = sorted((SHARED / "data" / "nezha").glob("*.jsonl.gz"))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress, ProcessPoolExecutor() as pool:
        bar = progress.add_task("analysing", total=len(files) * len(nab.CUTS) + len(cases))
        ranked = {path.name.removesuffix(".jsonl.gz"): pool.submit(nezha.rankings, path, stream=stream) for path in cases}
        scored = {(cut, file): pool.submit(nab.scores, series_scorer.series(file), cut) for cut in nab.CUTS for file in files}
        tasks: list[Future[Any]] = [*ranked.values(), *scored.values()]
        for task in tasks:
            task.add_done_callback(lambda _: progress.advance(bar))
        culprits = {case: task.result() for case, task in ranked.items()}
        anomalies = {cut: {file: scored[cut, file].result() for file in files} for cut in nab.CUTS}
    console.print(
        shown(
            "Culprits: share of faults whose service ranks first, %",
            nezha.table(case_scorer, SHARED / "data" / "nezha", culprits),
        )
    )
    console.print(shown("Anomalies: NAB score", nab.table(series_scorer, anomalies)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
