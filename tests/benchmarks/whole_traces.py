"""What scoring whole traces costs: CPU-seconds for 100,000 spans, fits included.

Run: python -m tests.benchmarks.whole_traces
"""

from __future__ import annotations

import importlib
import random
import time

from processors.detectors.detector import WholeTrace
from processors.detectors.whole_trace.detector import WholeTraceDetector
from tests.processors.detectors.whole_trace.generated import SECOND, SERVICES, checkout

WINDOWS, TRACES = 100, 60
"""As stage 3 gets them: a sample of 60 traces of each ten seconds."""

SPANS = 2 * SERVICES - 1
"""Of a trace: each service's own, and the caller's of each call."""


def main() -> None:
    """Measure, and print a line. That scikit-learn is loaded, once in a process, is not counted."""
    importlib.import_module("sklearn.covariance")
    rng = random.Random(1)
    detector = WholeTraceDetector()
    windows = [
        [
            WholeTrace(rng.randbytes(16), checkout(rng, start=window * 10 * SECOND + number * SECOND // 10))
            for number in range(TRACES)
        ]
        for window in range(WINDOWS)
    ]
    begin = time.process_time()
    for window, traces in enumerate(windows):
        detector.consume(traces, 10**30)
        detector.advance((window + 1) * 10 * SECOND)
    detector.close()
    seconds = time.process_time() - begin
    spans = WINDOWS * TRACES * SPANS
    print(f"{WINDOWS * TRACES} traces, {spans} spans: {seconds / spans * 100_000:.2f} CPU-s for 100,000 spans")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
