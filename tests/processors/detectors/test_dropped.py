"""What bounds cost has the names that metrics and documents know it by."""

from __future__ import annotations

import pytest

from processors.detectors.detector import build_detectors, score_config
from processors.detectors.log_windows import LogWindows
from spanloom.components import DETECTORS

NAMES = {
    "error_rate": {"services"},
    "logs": {"log_templates"},
    "series": {"series", "points_late"},
    "trace_shapes": {"shape_traces", "shape_traces_late", "shape_places"},
    "whole_traces": {"whole_traces", "whole_traces_late", "whole_trace_roots", "whole_trace_places"},
}


@pytest.mark.parametrize("detector", build_detectors(DETECTORS, score_config(DETECTORS)(), LogWindows()))
def test_a_detector_that_dropped_nothing_says_so_for_each_bound(detector: object) -> None:
    dropped = detector.dropped()  # type: ignore[attr-defined]
    assert set(dropped) in NAMES.values()
    assert set(dropped.values()) == {0}


def test_the_windows_of_logs_count_lines_that_are_late_and_templates_that_did_not_fit() -> None:
    lines = LogWindows(max_templates=1)
    for number in range(3):
        lines.add("shop", number, 9, " ".join(["word"] * (number + 1)), now=100)
    assert lines.dropped() == {"log_lines_late": 0, "log_templates": 2, "log_lines_unlike": 2}
