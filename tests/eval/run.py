"""Prints the measured tables of docs/analysis.md: `python -m tests.eval.run`, from the public data beside the checkout.

With `--stream` the cases also go through `spanloom analyse`, which takes some fifteen seconds each.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from rich.progress import Progress

from tests.eval import generated_series, nab, nezha, petshop, traces
from tests.eval.shared import SHARED, console, print_table, scorer


def main() -> int:
    """Measure and print; without the data nothing is measured, and a line says so."""
    missing = [str(SHARED / part) for part in ("eval", "data") if not (SHARED / part).is_dir()]
    if missing:
        sys.stderr.write(f"NOTHING MEASURED: {', '.join(missing)} missing; there the public cases, series and scorers belong\n")
        return 0
    series_scorer, case_scorer = scorer("score_nab"), scorer("score_nezha")
    output = console()
    stream = sys.argv[1:] == ["--stream"]
    files = series_scorer.files()
    cases = sorted((SHARED / "data" / "nezha").glob("*.jsonl.gz"))
    with Progress(console=output, transient=True, disable=not output.is_terminal) as progress, ProcessPoolExecutor() as pool:
        bar = progress.add_task("analysing", total=len(files) * len(nab.CUTS) + len(cases))
        ranked = {path.name.removesuffix(".jsonl.gz"): pool.submit(nezha.rankings, path, stream=stream) for path in cases}
        scored = {(cut, file): pool.submit(nab.scores, series_scorer.series(file), cut) for cut in nab.CUTS for file in files}
        tasks: list[Future[Any]] = [*ranked.values(), *scored.values()]
        for task in tasks:
            task.add_done_callback(lambda _: progress.advance(bar))
        culprits = {case: task.result() for case, task in ranked.items()}
        anomalies = {cut: {file: scored[cut, file].result() for file in files} for cut in nab.CUTS}
    nezha_data = SHARED / "data" / "nezha"
    print_table(
        "Culprits: share of faults whose service ranks first, %", nezha.table(case_scorer, nezha_data, culprits), output
    )
    print_table("Anomalies: NAB score", nab.table(series_scorer, anomalies), output)
    generated_series.main()
    petshop.main()
    traces.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
