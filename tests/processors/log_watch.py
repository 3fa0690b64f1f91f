"""The log detector with the windows that it reads, as the stage has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processors.detectors.log_windows import LogWindows
from processors.detectors.logs import LogDetector

if TYPE_CHECKING:
    from processors.detectors.log_windows import LogWindow
    from telemetry.findings import Anomaly


class LogWatch:
    """Takes lines and gives anomalies."""

    def __init__(self, *, allowed_lateness: int = 5_000_000_000, max_services: int = 500, max_templates: int = 2000) -> None:
        self.lines = LogWindows(allowed_lateness=allowed_lateness, max_templates=max_templates)
        self.detector = LogDetector(None, self.lines, max_services=max_services, max_templates=max_templates)

    def add(self, service: str, time: int, severity: int, text: str, **more: Any) -> str:
        return self.lines.add(service, time, severity, text, **more)

    def advance(self) -> list[Anomaly]:
        return self._judge(self.lines.advance())

    def close(self) -> list[Anomaly]:
        return self._judge(self.lines.close())

    def _judge(self, windows: list[LogWindow]) -> list[Anomaly]:
        return self.detector.consume(windows, 0)

    @property
    def late(self) -> int:
        return self.lines.late

    @property
    def evicted(self) -> int:
        return self.lines.evicted + self.detector.evicted
