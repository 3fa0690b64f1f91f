"""Does this checkout cost more than an older one? Instructions of kernels, and CPU time of stages in turn.

Run: `make bench-check`, `make bench-check BASE=v0.2.0`. The older one is unpacked below build/bench with an environment of its
own, and runs the benchmarks of this one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import click
from rich.console import Console

from tests.benchmarks.compared import LIMIT, Compared, paired, shares, table
from tests.benchmarks.instructions import available, count
from tests.benchmarks.report import REFERENCE

ROOT = Path(__file__).parents[2]
CHECKOUTS = ROOT / "build" / "bench" / "base"
STAGES = ("assemble", "index")


def unpacked(commit: str) -> Path:
    """The commit's files, set up, with the benchmarks of this checkout."""
    folder = CHECKOUTS / commit
    if not folder.exists():
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
        with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
    subprocess.run(["make", "setup"], cwd=folder, check=True, stdout=sys.stderr)
    shutil.copytree(ROOT / "tests" / "benchmarks", folder / "tests" / "benchmarks", dirs_exist_ok=True)
    shutil.copy(ROOT / "tests" / "generated.py", folder / "tests" / "generated.py")
    return folder


def python(root: Path) -> Path:
    """The Python of a checkout."""
    return root / ".venv" / "bin" / "python"


def instructions(base: Path) -> list[Compared]:
    """The kernels of both sides."""
    sides = ({name: [float(counted)] for name, counted in count(python(root), root).items()} for root in (base, ROOT))
    return paired("instructions a span", *sides)


def stages(base: Path, rounds: int, spans: int) -> list[Compared]:
    """The stages of both sides, in turn."""
    costs: dict[Path, dict[str, list[float]]] = {base: {}, ROOT: {}}
    only = [word for stage in STAGES for word in ("--only", stage)]
    for _ in range(rounds):
        for root, of_side in costs.items():
            command = [str(python(root)), "-m", "tests.benchmarks.pipeline", "--spans", str(spans), "--json", *only]
            ran = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE)
            for stage, found in json.loads(ran.stdout)["costs"].items():
                of_side.setdefault(stage, []).extend(found)
    return paired("times parsing", *(shares(of_side, REFERENCE) for of_side in costs.values()))


@click.command()
@click.option("--base", default="main", show_default=True, help="The commit to compare with.")
@click.option("--rounds", default=5, show_default=True, help="Runs of the stages on each side, in turn.")
@click.option("--spans", default=24_000, show_default=True, help="Of each run.")
@click.option("--limit", default=LIMIT, show_default=True, help="How much more may be spent.")
@click.option("--only", type=click.Choice(["instructions", "stages"]), help="Not both.")
def main(base: str, rounds: int, spans: int, limit: float, only: str | None) -> None:
    """Compare, print a table, and fail where something costs more than the limit allows."""
    named = subprocess.run(["git", "rev-parse", f"{base}^{{commit}}"], cwd=ROOT, check=True, capture_output=True, text=True)
    folder = unpacked(named.stdout.strip())
    found: list[Compared] = []
    if only != "stages":
        if available():
            found += instructions(folder)
        else:
            click.echo("NOT COMPARED: instructions of kernels: there is no valgrind (Debian's package valgrind)", err=True)
    if only != "instructions":
        found += stages(folder, rounds, spans)
    Console().print(table(found, limit))
    if dearer := [one.name for one in found if one.is_dearer(limit)]:
        click.echo(f"more than {limit:.0%} dearer than {base}: {', '.join(dearer)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
