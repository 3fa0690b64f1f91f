"""Faults that can be put into a running service. They live in its memory, so a restart repairs them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

LONGEST_MILLISECONDS = 60_000


class FaultError(ValueError):
    """A fault that does not exist, or figures that make no sense."""


class InjectedError(RuntimeError):
    """What a faulty service fails with."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Every request waits `milliseconds`, and the share `ratio` of them fails. The default is a healthy service."""

    milliseconds: float = 0.0
    ratio: float = 0.0

    @staticmethod
    def of(body: Any) -> Fault:
        """Read `{"kind": "latency", "milliseconds": N}`, `{"kind": "errors", "ratio": R}`, or `{}` for none.

        Raises:
            FaultError: it is none of these; the message says what is wrong.
        """
        match body:
            case {"kind": "latency", "milliseconds": int() | float() as wait} if len(body) == 2:
                if not 0 < wait <= LONGEST_MILLISECONDS:
                    raise FaultError(f"milliseconds: {wait} is not in 1..{LONGEST_MILLISECONDS}")
                return Fault(milliseconds=wait)
            case {"kind": "errors", "ratio": int() | float() as ratio} if len(body) == 2:
                if not 0 < ratio <= 1:
                    raise FaultError(f"ratio: {ratio} is not in (0, 1]")
                return Fault(ratio=ratio)
            case {} if not body:
                return Fault()
            case _:
                raise FaultError(
                    'a fault is {"kind": "latency", "milliseconds": N}, {"kind": "errors", "ratio": R}, or {} to clear it'
                )

    def body(self) -> dict[str, object]:
        """What `of` reads."""
        if self.milliseconds:
            return {"kind": "latency", "milliseconds": self.milliseconds}
        return {"kind": "errors", "ratio": self.ratio} if self.ratio else {}


class FaultPoint:
    """Where a service's requests pass, and where its fault strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault = Fault()
        self._due = 0.0

    def put(self, fault: Fault) -> None:
        """Make this the fault from now on."""
        with self._lock:
            self._fault, self._due = fault, 0.0

    def cross(self) -> None:
        """Wait, fail or pass, as the fault says. Failures are spread evenly: of ratio 0.5 every second request.

        Raises:
            InjectedError: this request is one that fails.
        """
        with self._lock:
            fault = self._fault
            self._due += fault.ratio
            fails = self._due >= 1
            if fails:
                self._due -= 1
        if fault.milliseconds:
            time.sleep(fault.milliseconds / 1000)
        if fails:
            raise InjectedError("connection pool exhausted: 16 of 16 connections are in use")
