"""`make fuzz`: both engines over every target, beside each other. Exit code 1 if anything is found."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

ENGINES = {"hypothesis": "tests.fuzz.by_hypothesis", "coverage": "tests.fuzz.by_coverage"}
SAME_EVERYWHERE = {"hypothesis"}
"""Engines whose inputs follow from the seed alone, so that with a number of inputs a commit always has the same verdict."""


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description="Fuzz every parser that a stranger reaches.")
    parser.add_argument("--seconds", type=float, default=1800, help="for each engine, over all targets (1800)")
    parser.add_argument(
        "--inputs", type=int, default=0, help="of each parser, instead of seconds, for a verdict that is the same everywhere"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (1)")
    parser.add_argument("targets", nargs="*", help="only these")
    asked = parser.parse_args()
    console = Console(stderr=True)
    engines = dict(ENGINES)
    if importlib.util.find_spec("atheris") is None:
        console.print("NO COVERAGE-GUIDED FUZZING: atheris is not installed; it has wheels for Linux on x86-64 only")
        del engines["coverage"]
    results: list[dict[str, Any]] = []
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", module, str(asked.seconds), str(asked.inputs), str(asked.seed), *asked.targets],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if name == "coverage" else None,  # it names each module that it watches
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        for name, module in engines.items()
    }
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("starting")
        for line in _lines(running):
            results.append(json.loads(line))
            progress.update(task, description=f"{len(results)} parsers done, {sum(r['inputs'] for r in results):,} inputs")
            _print(results[-1])
    failed = [name for name, process in running.items() if process.wait()]
    found = [result for result in results if result["finding"]]
    for result in found:
        sys.stdout.write(f"\nFOUND by {result['engine']}: {result['finding']}\n")
    inputs = sum(result["inputs"] for result in results)
    sys.stdout.write(f"\n{len(results)} runs, {inputs:,} inputs, {len(found)} findings\n")
    for name in failed:
        sys.stdout.write(f"the engine {name} did not end well\n")
    failing = [result for result in found if result["engine"] in SAME_EVERYWHERE] if asked.inputs else found
    if found and not failing:
        sys.stdout.write(
            "Not a failure of this run: guided by coverage, the next run tries other inputs. Keep it and mend it.\n"
        )
    return 1 if failing or failed or not results else 0


def _lines(running: dict[str, subprocess.Popen[bytes]]) -> Any:
    """Lines of all, as they come."""
    with DefaultSelector() as selector:
        for process in running.values():
            assert process.stdout is not None
            selector.register(process.stdout, EVENT_READ, "line")
            if process.stderr is not None:
                selector.register(process.stderr, EVENT_READ, "error")
        errors: list[bytes] = []
        while selector.get_map():
            for key, _ in selector.select():
                line = key.fileobj.readline()  # type: ignore[union-attr] # a pipe
                if not line:
                    selector.unregister(key.fileobj)
                elif key.data == "line":
                    yield line
                elif not line.startswith(b"INFO:"):
                    errors.append(line)
        sys.stderr.buffer.write(b"".join(errors))


def _print(result: dict[str, Any]) -> None:
    share = f"{result['valid'] / max(1, result['inputs']):4.0%} valid"
    verdict = "FOUND " + result["finding"].splitlines()[0][:90] if result["finding"] else "ok"
    sys.stdout.write(f"{result['target']:26} {result['engine']:10} {result['inputs']:>10,} inputs {share}  {verdict}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
