"""Log lines mined for their templates and counted by service and template, in windows of event time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from processors.assembly.watermark import SECOND, Watermark
from processors.detectors.log_templates import LogTemplates
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.logs import ERROR

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

MAX_OPEN = 64
"""Windows open at once: a line beyond counts as late."""

MAX_TEMPLATES = 2000
"""Templates over all services, and of a window."""

_MAX_TRACES = 5


class LogSource(NamedTuple):
    """Who writes lines: a service in an environment."""

    service: str
    environment: str = DEFAULT_ENVIRONMENT


@dataclass(slots=True)
class LogWindow:
    """The lines of one window. Times in nanoseconds."""

    start: int
    width: int
    lines: Counter[tuple[LogSource, str]] = field(default_factory=Counter)  # by source and template
    errors: Counter[LogSource] = field(default_factory=Counter)
    error_lines: Counter[tuple[LogSource, str]] = field(default_factory=Counter)  # by source and template
    traces: dict[tuple[LogSource, str], list[bytes]] = field(default_factory=dict)  # by source and template: the first few
    failed: dict[LogSource, list[bytes]] = field(default_factory=dict)  # of its errors


class LogWindows:
    """Returns a window once no more lines of it are expected, so that an outburst of a million lines is one.

    Args:
        width: of a window, nanoseconds of event time.
        allowed_lateness: how long after its end a window is given.
        max_templates: bound on templates, mined and of a window; what is over it is counted by `evicted`.
    """

    def __init__(
        self, width: int = 10 * SECOND, allowed_lateness: int = 5 * SECOND, max_templates: int = MAX_TEMPLATES
    ) -> None:
        self._width, self._allowed_lateness, self._max_templates = width, allowed_lateness, max_templates
        self.templates = LogTemplates(max_templates)
        self._windows: dict[int, LogWindow] = {}
        self._watermark = Watermark()
        self._sealed = 0
        self.late = 0
        self.evicted = 0

    def add(
        self,
        service: str,
        time: int,
        severity: int,
        text: str,
        *,
        now: int,
        trace_id: bytes = b"",
        environment: str = DEFAULT_ENVIRONMENT,
    ) -> str:
        """Count a line; returns the id of its template. A line from later than `now` was written by a wrong clock, now."""
        template = self.templates.add(service, text, environment)
        source = LogSource(service, environment)
        time = min(time, now)
        start = time - time % self._width
        if start < self._sealed or (start not in self._windows and len(self._windows) >= MAX_OPEN):
            self.late += 1
            return template
        self._watermark.observe(time)
        window = self._windows.setdefault(start, LogWindow(start, self._width))
        if (source, template) not in window.lines and len(window.lines) >= self._max_templates:
            self.evicted += 1  # a service whose lines are all unlike each other
            return template
        window.lines[source, template] += 1
        if severity >= ERROR:
            window.errors[source] += 1
            window.error_lines[source, template] += 1
        if trace_id:
            _keep(window.traces.setdefault((source, template), []), trace_id)
            if severity >= ERROR:
                _keep(window.failed.setdefault(source, []), trace_id)
        return template

    @property
    def sealed(self) -> int:
        """The end of the last window that was given, nanoseconds; 0 before the first."""
        return self._sealed

    def elapse(self, duration: int) -> None:
        """Let event time pass without lines: what was written last before a silence is given too."""
        self._watermark.elapse(duration)

    def advance(self) -> list[LogWindow]:
        """The windows of which no more lines are waited for, oldest first."""
        return self._seal(self._watermark.time - self._allowed_lateness)

    def close(self) -> list[LogWindow]:
        """Every window that is left: the input has ended."""
        return self._seal(max(self._windows, default=0) + self._width)

    def _seal(self, until: int) -> list[LogWindow]:
        due = sorted(start for start in self._windows if start + self._width <= until)
        if due:
            self._sealed = due[-1] + self._width
        return [self._windows.pop(start) for start in due]

    def dropped(self) -> dict[str, int]:
        """What bounds and lateness have cost, by what it was."""
        return {
            "log_lines_late": self.late,
            "log_templates": self.evicted,
            "log_lines_unlike": self.templates.evicted,
        }

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`, part of the log detector's. Open windows are not in it."""
        return {"sealed": self._sealed, "templates": self.templates.snapshot()}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: its templates have another version.
        """
        self._sealed = snapshot["sealed"]
        self._watermark = Watermark(time=self._sealed)
        self._windows.clear()
        self.templates.restore(snapshot["templates"])


def _keep(traces: list[bytes], trace_id: bytes) -> None:
    if len(traces) < _MAX_TRACES and trace_id not in traces:
        traces.append(trace_id)
