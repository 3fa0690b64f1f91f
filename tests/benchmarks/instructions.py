"""How many instructions each kernel takes, in Python and in the native core, counted by callgrind: the same at each run.

Run: `make bench-check`. This module alone, under valgrind or not, does each piece of work once.

Callgrind counts while a function of C runs, and writes a part of its output whenever that returns. The function is
`PyNumber_InPlaceMatrixMultiply`, which nothing else here calls: `counted @= work` does the work inside it.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from processors.assembly.assembler import OpenTrace
from processors.assembly.reconcile import publish_trace
from processors.kernels.choose import choose
from processors.kernels.protocol import KnownGroups
from stores.duckdb.rows import row
from telemetry import otlp
from telemetry.errors import ConfigError
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.kernels.protocol import Kernels

TRACES = 20
SPANS = 12 * TRACES
PARTITIONS = 4
COUNTED = "PyNumber_InPlaceMatrixMultiply"


class CountedByCallgrind:
    """Does work where callgrind counts."""

    def __imatmul__(self, work: Callable[[], object]) -> Self:
        work()
        return self


def pieces(kernels: Kernels) -> dict[str, Callable[[], object]]:
    """What is counted, by name, on the same few requests."""
    sent = [otlp.encode_spans([span for trace in traces(TRACES) for span in trace])]
    packed = [otlp.SpanPacker().pack(request) for request in sent]
    spans = [list(kernels.unpack(of_request, KnownGroups())[0].values()) for of_request in packed]
    documents = [kernels.span_documents(*both) for both in zip(spans, packed, strict=True)]
    return {
        "split_spans": lambda: [kernels.split_spans(request, PARTITIONS, 1) for request in sent],
        "unpack": lambda: [kernels.unpack(of_request, KnownGroups()) for of_request in packed],
        "span_documents": lambda: [kernels.span_documents(*both) for both in zip(spans, packed, strict=True)],
        "rows of spans": lambda: [row(document) for of_request in documents for document in of_request],
    }


def python_pieces() -> dict[str, Callable[[], object]]:
    """What is in Python only."""
    opened = [OpenTrace(spans[0].trace_id, {span.span_id: span for span in spans}) for spans in traces(TRACES)]
    published = [publish_trace(trace) for trace in opened]
    hops = [hop for trace in published for hop in trace.parts(0, lambda start: start) if hop.kind == "hop"]
    return {
        "call graph": lambda: list(map(publish_trace, opened)),
        "rows of hops": lambda: list(map(row, hops)),
    }


def main() -> None:
    """Do each piece of work twice, the second time counted, and print their names in that order."""
    work = {f"{name}, in Python": piece for name, piece in (pieces(choose("off")) | python_pieces()).items()}
    try:
        work |= {f"{name}, native": piece for name, piece in pieces(choose("required")).items()}
    except ConfigError as error:
        sys.stderr.write(f"without the native core: {error}\n")
    counted = CountedByCallgrind()
    for piece in work.values():
        piece()  # fills what is kept
    gc.disable()
    for piece in work.values():
        gc.collect()
        counted @= piece
    json.dump(list(work), sys.stdout)


def available() -> bool:
    """Whether there is a valgrind."""
    return shutil.which("valgrind") is not None


def count(python: Path, root: Path) -> dict[str, int]:
    """Instructions a span of each piece, of the checkout at `root` by its own Python.

    Raises:
        subprocess.CalledProcessError: the checkout cannot run this module.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [
            "valgrind", "--quiet", "--tool=callgrind", f"--toggle-collect={COUNTED}", f"--dump-after={COUNTED}",
            f"--callgrind-out-file={out}", str(python), "-m", "tests.benchmarks.instructions",
        ]  # fmt: skip
        ran = subprocess.run(command, cwd=root, env=os.environ | {"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, check=True)
        return {
            name: total_of(Path(f"{out}.{number}").read_text()) // SPANS
            for number, name in enumerate(json.loads(ran.stdout), 1)
        }


def total_of(part: str) -> int:
    """The sum of a part of callgrind's output.

    Raises:
        ValueError: it has none.
    """
    if found := re.search(r"^totals: (\d+)", part, re.MULTILINE):
        return int(found[1])
    raise ValueError("callgrind's output has no line 'totals'")


if __name__ == "__main__":
    main()
