"""`make attack`: every line on a product of its own, a table, and exit code 1 where one does not hold."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.table import Table

from tests.attack.all_lines import LINES
from tests.attack.bench import Bench
from tests.services import answers, free_port, listens, running

if TYPE_CHECKING:
    from tests.attack.line import Line


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description="Attack a running Spanloom, a line for each attempt.")
    parser.add_argument("--quick", action="store_true", help="only the lines that every test run has")
    parser.add_argument("names", nargs="*", help="only lines of these kinds, or with these words in their names")
    asked = parser.parse_args()
    lines = [
        line
        for line in LINES
        if (line.quick or not asked.quick)
        and (not asked.names or any(name == line.kind or name in line.run.__name__ for name in asked.names))
    ]
    console = Console(soft_wrap=not sys.stdout.isatty())
    failed = skipped = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attack-")))
        found = {need: _service(stack, need, folder / need) for need in sorted({need for line in lines for need in line.needs})}
        bench = stack.enter_context(Bench(folder, **{name: url for name, url in found.items() if url}))
        for line in lines:
            if any(not found[need] for need in line.needs):
                verdict, figures, seconds = (
                    "SKIPPED",
                    f"no {' and no '.join(need for need in line.needs if not found[need])}",
                    0.0,
                )
                skipped += 1
            else:
                verdict, figures, seconds = _verdict(line, bench)
                failed += verdict != "holds"
            _show(console, line, verdict, figures, seconds)
    console.print(f"{len(lines)} lines: {len(lines) - failed - skipped} hold, {failed} do not, {skipped} skipped")
    return 1 if failed or not lines else 0


def _verdict(line: Line, bench: Bench) -> tuple[str, str, float]:
    started = time.monotonic()
    try:
        figures = line.run(bench)
    except AssertionError as error:
        return "DOES NOT HOLD", str(error), time.monotonic() - started
    except Exception as error:  # noqa: BLE001 - one line must not end the others
        return "DOES NOT HOLD", f"{type(error).__name__}: {error}", time.monotonic() - started
    return "holds", figures, time.monotonic() - started


def _show(console: Console, line: Line, verdict: str, figures: str, seconds: float) -> None:
    colour = {"holds": "green", "SKIPPED": "yellow"}.get(verdict, "red")
    table = Table.grid(padding=(0, 1), expand=False)
    table.add_row(f"[{colour}]{verdict}[/]", f"[bold]{line.kind}: {line.name}[/]", f"{seconds:.0f} s")
    console.print(table)
    console.print(f"      {line.attempted}", markup=False, highlight=False)
    console.print(f"      {figures}", markup=False, highlight=False, style="" if verdict == "holds" else colour)


def _service(stack: ExitStack, name: str, folder: Path) -> str:
    """Where it is, or empty."""
    folder.mkdir(parents=True)
    port = free_port(1, 2, 3, 100)
    try:
        if name == "kafka":
            stack.enter_context(running(name, folder, port, lambda: listens(port)))
            return f"127.0.0.1:{port}"
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(running(name, folder, port, lambda: answers(f"{url}/_cluster/health?wait_for_status=yellow")))
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        sys.stderr.write(f"{error}\n")
        return ""
    return url


if __name__ == "__main__":
    sys.exit(main())
