"""`make attack`: every line on a product of its own, a table, and exit code 1 where one does not hold."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.attack.all_lines import LINES
from tests.attack.bench import Bench

if TYPE_CHECKING:
    from tests.attack.line import Line

HOLDS, FAILS, SKIPPED = "holds", "DOES NOT HOLD", "SKIPPED"


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
    for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell in the background has it ignored
        signal.signal(number, lambda *_: sys.exit(2))  # what was started is stopped on the way out
    console = Console(soft_wrap=True)
    failed = skipped = 0
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attack-")))
        bench = stack.enter_context(Bench(folder))
        for line in lines:
            verdict, figures, seconds = _verdict(line, bench)
            failed += verdict == FAILS
            skipped += verdict == SKIPPED
            _show(console, line, verdict, figures, seconds)
    minutes = (time.monotonic() - started) / 60
    held = len(lines) - failed - skipped
    console.print(f"{len(lines)} lines: {held} hold, {failed} do not, {skipped} skipped; {minutes:.0f} minutes")
    return 1 if failed or not lines else 0


def _verdict(line: Line, bench: Bench) -> tuple[str, str, float]:
    started = time.monotonic()
    try:
        figures = line.run(bench)
    except pytest.skip.Exception as error:
        return SKIPPED, str(error), time.monotonic() - started
    except (AssertionError, pytest.fail.Exception) as error:
        return FAILS, str(error), time.monotonic() - started
    except Exception as error:  # noqa: BLE001 - one line must not end the others
        return FAILS, f"{type(error).__name__}: {error}", time.monotonic() - started
    return HOLDS, figures, time.monotonic() - started


def _show(console: Console, line: Line, verdict: str, figures: str, seconds: float) -> None:
    style = {HOLDS: "green", SKIPPED: "yellow", FAILS: "red"}[verdict]
    console.print(f"[{style}]{verdict:13}[/] [bold]{line.kind}: {line.name}[/] ({seconds:.0f} s)", highlight=False)
    console.print(f"              {line.attempted}", markup=False, highlight=False)
    console.print(f"              {figures}", markup=False, highlight=False, style=style if verdict != HOLDS else "")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
