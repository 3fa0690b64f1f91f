"""`make mutate`: change one expression of the product at a time, and see whether a test notices.

    python -m tests.mutation.run --sample 500 --seed 1

mutmut makes the mutants, of functions, and runs each against the tests that call its function. A sample of all is run, drawn by
the seed. What survives is printed, but for what survivors.md explains; it counts all the same.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path

import click
from mutmut import __main__ as mutmut
from mutmut.configuration import Config

from tests.mutation.survivors import EXPLAINED, explained, row

MOST_SURVIVE = 0.15
"""Of the sample: from that on the run fails."""

FOLDER = Path("mutants")


def generated(workers: int) -> list[str]:
    """The names of all mutants, made in FOLDER where their file changed."""
    os.environ["MUTANT_UNDER_TEST"] = "mutant_generation"
    Config.ensure_loaded()
    FOLDER.mkdir(exist_ok=True)
    with mutmut.CatchOutput(spinner_title="Generating mutants"):
        mutmut.copy_src_dir()
        mutmut.copy_also_copy_files()
        mutmut.create_mutants(workers)
    return sorted(verdicts())


def verdicts() -> dict[str, str]:
    """What became of each mutant; "not checked" of most."""
    _, by_path = mutmut.collect_source_file_mutation_data(mutant_names=[])
    codes = [item for data in by_path.values() for item in data.exit_code_by_key.items()]
    return {name: mutmut.status_by_exit_code[code] for name, code in codes}


@click.command()
@click.option("--sample", default=500, help="How many mutants; 0 for all.")
@click.option("--seed", default=1, help="Another seed draws others.")
@click.option("--workers", default=2, help="Mutants at a time.")
@click.argument("only", nargs=-1)
def main(sample: int, seed: int, workers: int, only: tuple[str, ...]) -> None:
    """Run a sample of all mutants, or of those whose names begin with one of ONLY."""
    names = generated(workers)
    drawn = [name for name in names if name.startswith(only)] if only else names
    if 0 < sample < len(drawn):
        drawn = random.Random(seed).sample(drawn, sample)
    mutmut._run(drawn, workers)
    found = verdicts()
    survivors = sorted(name for name in drawn if found[name] in {"survived", "no tests"})
    rows = {name: row(name, mutmut.get_diff_for_mutant(name)) for name in survivors}
    new = [name for name in survivors if rows[name] not in explained()]
    for name in new:
        click.echo(f"\n{name}: {found[name]}\n{rows[name]}")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(found[name] for name in drawn).most_common())
    share = len(survivors) / len(drawn)
    click.echo(f"\n{len(names)} mutants, {len(drawn)} run (seed {seed}): {counts}")
    click.echo(f"{share:.1%} survive, {len(survivors) - len(new)} of them explained in {EXPLAINED.name}")
    sys.exit(share >= MOST_SURVIVE)


if __name__ == "__main__":
    main()
