"""The detectors of a partition as a process has them by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.detectors.detector import build_detectors, score_config
from spanloom.components import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.detectors.detector import AnyDetector
    from processors.detectors.log_windows import LogWindows


def all_detectors(lines: LogWindows, sections: Mapping[str, object] | None = None) -> list[AnyDetector]:
    """All of them, but those that a section disables."""
    return build_detectors(DETECTORS, score_config(DETECTORS).model_validate(sections or {}), lines)
