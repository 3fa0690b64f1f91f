"""Event time: how far the telemetry of a partition has come, whatever the wall clock says."""

from __future__ import annotations

from dataclasses import dataclass, field

SECOND = 1_000_000_000


@dataclass(slots=True)
class Watermark:
    """The greatest event time that can be trusted, nanoseconds since the epoch.

    A stamp that is `jump` ahead of everything before it may be a wrong clock, which would close every open trace at
    once. So it counts only when `confirmations` records agree that time has jumped, as after a gap in the traffic.
    """

    jump: int = 600 * SECOND
    confirmations: int = 3
    time: int = 0
    ahead: list[int] = field(default_factory=list)

    def observe(self, event_time: int) -> int:
        """Observe the event time of one record; returns the watermark after it."""
        if event_time <= self.time:
            return self.time
        if self.time and event_time > self.time + self.jump:
            self.ahead.append(event_time)
            if len(self.ahead) >= self.confirmations:
                self.time = min(self.ahead)
                self.ahead = [stamp for stamp in self.ahead if stamp > self.time + self.jump]
        else:
            self.time = event_time
        return self.time

    def elapse(self, duration: int) -> int:
        """Let time pass without a record: a stream that is idle still has an end."""
        if self.time:
            self.time += duration
        return self.time
