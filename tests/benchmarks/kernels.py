"""Each kernel in Python and in the native core, in turn, on the same input: microseconds of CPU a span, the best of the rounds.

Run: python -m tests.benchmarks.kernels
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import repeat
from typing import TYPE_CHECKING

from processors.kernels.choose import choose
from processors.kernels.protocol import HopPlace, KnownGroups
from stores.duckdb.rows import row
from telemetry import otlp
from tests.benchmarks.alone import Input, requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.kernels.protocol import DrawnTrace, Kernels
    from telemetry.documents import Document
    from telemetry.otlp import PackedSpan

PARTITIONS = 4
PLACE = HopPlace(revision=12, partition=0, width=10_000_000_000)


def measured(kernels: Kernels, sent: list[bytes]) -> dict[str, float]:
    """CPU-seconds of each kernel, and of making rows of the documents that two of them write."""
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        begin = time.process_time()
        work()
        found[name] = time.process_time() - begin

    packer = otlp.SpanPacker()  # one for all, as a partition has
    packed = [packer.pack(request) for request in sent]
    spans = [list(kernels.unpack(of_request, KnownGroups())[0].values()) for of_request in packed]
    documents: list[list[Document]] = []
    traces: dict[bytes, list[PackedSpan]] = {}
    for one in (one for of_request in packed for one in of_request):
        traces.setdefault(one.trace_id, []).append(one)
    decoded = [list(kernels.unpack(of_trace, KnownGroups())[0].values()) for of_trace in traces.values()]
    drawn: list[DrawnTrace] = []
    timed("split_spans", lambda: [kernels.split_spans(request, PARTITIONS, 1) for request in sent])
    timed("unpack", lambda: [kernels.unpack(of_request, KnownGroups()) for of_request in packed])
    timed("span_documents", lambda: documents.extend(map(kernels.span_documents, spans, packed)))
    timed("their rows", lambda: [row(document) for of_request in documents for document in of_request])
    timed("draw_trace", lambda: drawn.extend(map(kernels.draw_trace, decoded, traces.values(), repeat(PLACE))))
    timed("its hops' rows", lambda: [row(document) for trace in drawn for document in trace.hops])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--spans", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sent = list(requests(Input(options.spans)))
    both = [choose("off"), choose("required")]
    best: dict[tuple[str, str], float] = {}
    for _ in range(options.rounds):
        for kernels in both:
            for name, seconds in measured(kernels, sent).items():
                best[kernels.name, name] = min(seconds, best.get((kernels.name, name), seconds))
    print(f"{options.spans} spans, best of {options.rounds}, load average {os.getloadavg()[0]:.1f}")  # noqa: T201
    print(f"{'us of CPU a span':<18}{'python':>8}{'native':>8}{'ratio':>8}")  # noqa: T201
    for kernel in dict.fromkeys(name for _, name in best):
        python, native = (1e6 * best[kernels.name, kernel] / options.spans for kernels in both)
        print(f"{kernel:<18}{python:>8.2f}{native:>8.2f}{python / native:>7.1f}x")  # noqa: T201


if __name__ == "__main__":
    main()
