"""What a benchmark found: as a table, as JSON, saved, and beside the last run of the same input."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Self

from rich.table import Table

if TYPE_CHECKING:
    from tests.benchmarks.alone import Input, Measured

REFERENCE = "parse"

ASKED = {"assemble": (0.2, 0.25), "together": (0.05, 0.1)}
"""Shares of the reference that a stage must reach and should, with ten times the rate and requests of 960 spans."""

ASKED_WITH = {"rate": 10, "request_spans": 960}


def machine() -> dict[str, object]:
    """Where it was measured, and what else ran there."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True)
    return {
        "cpu": model.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "load_average": os.getloadavg()[0],
    }


@dataclass
class Run:
    """All rounds of one call. Costs are CPU-seconds for 100,000 spans, rates spans a second of wall time."""

    input: dict[str, int]
    machine: dict[str, object]
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Input) -> Self:
        """A run that begins now."""
        return cls(asdict(given), machine())

    def add(self, stage: str, measured: Measured) -> None:
        """One round of one stage."""
        self.rates.setdefault(stage, []).append(measured.rate)
        self.costs.setdefault(stage, []).append(measured.cost)

    def share(self, stage: str) -> float:
        """How much of the reference's spans a CPU-second the stage does."""
        return median(self.costs[REFERENCE]) / median(self.costs[stage])

    def asked(self, stage: str) -> tuple[str, str]:
        """What the stage must reach, and should, of the reference; empty where nothing is asked of it with this input."""
        comparable = all(self.input[name] == value for name, value in ASKED_WITH.items())
        if stage not in ASKED or not comparable:
            return "", ""
        must, aim = ASKED[stage]
        return f"{must} ({self.share(stage) / must:.0%} of it)", f"{aim}"

    def to_json(self) -> str:
        """All of it, with the shares of the reference."""
        return json.dumps(asdict(self) | {"share_of_parse": {stage: round(self.share(stage), 4) for stage in self.costs}})

    def save(self, folder: Path) -> Run | None:
        """Write it where the last run of the same input was, and return that one."""
        path = folder / ("pipeline-" + "-".join(str(value) for value in self.input.values()) + ".json")
        before = None
        if path.exists():
            found = json.loads(path.read_text())
            before = Run(found["input"], found["machine"], found["rates"], found["costs"])
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json() + "\n")
        return before

    def table(self, before: Run | None) -> Table:
        """A line a stage: medians, the lowest cost, the share of the reference now and before."""
        given = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in self.input.items())
        about = self.machine
        table = Table(
            "stage", "spans/s", "CPU-s per 100,000 spans", "lowest", "of parsing", "of parsing before", "must", "aim",
            title=given,
            caption=f"{about['cores']} cores, load average {about['load_average']:.1f} at the start, {about['commit']}",
        )  # fmt: skip
        for stage, costs in self.costs.items():
            then = f"{before.share(stage):.4f}" if before and stage in before.costs else ""
            table.add_row(
                stage,
                f"{median(self.rates[stage]):,.0f}",
                f"{median(costs):.2f}",
                f"{min(costs):.2f}",
                f"{self.share(stage):.4f}",
                then,
                *self.asked(stage),
            )
        return table
