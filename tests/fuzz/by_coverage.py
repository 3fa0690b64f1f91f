"""The engine that keeps what reaches new code: libFuzzer, through atheris."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

from tests.fuzz import engine
from tests.fuzz.regressions import kept
from tests.fuzz.target import Finding, Target

with atheris.instrument_imports(
    include=["telemetry", "collectors", "components", "pipeline", "alerting", "processors", "dashboards", "stores"],
    enable_loader_override=False,
):
    from tests.fuzz.targets import all_targets

if TYPE_CHECKING:
    from tests.fuzz.engine import Limit, Watched

MAX_BYTES = 8192


MORE = 20
"""Inputs for one of the engine by structure: these are small changes of others, and cheap."""


def fuzz(target: Target, limit: Limit, seed: int, watched: Watched) -> Finding | None:
    """Run libFuzzer on the target. It ends the process when the limit is reached."""
    folder = Path(tempfile.mkdtemp())
    seeds, words = folder / "seeds", folder / "words"
    seeds.mkdir()
    for i, data in enumerate((*target.seeds, *kept(target.name))):
        (seeds / f"{i}").write_bytes(data)
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words if word))

    def one(data: bytes) -> None:
        try:
            watched(data)
        except Finding as finding:
            watched.end(engine.shrunk(target, data, finding.reason))

    options = [
        f"-runs={limit.inputs * MORE}" if limit.inputs else f"-max_total_time={max(1, round(limit.seconds))}",
        f"-seed={seed}",
        f"-max_len={MAX_BYTES}",
        "-timeout=50",
        "-rss_limit_mb=4096",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        "-len_control=20",
    ]
    atheris.Setup(["fuzz", *options, str(seeds)], one, enable_python_coverage=True)
    atheris.Fuzz()
    return None


if __name__ == "__main__":
    engine.run(all_targets, fuzz, 5, "coverage", sys.argv[1:])
