"""The line between a process and the one that started it: JSON lines on stdin and stdout.

Down come `{"fault": {...}}`, up go `{"ready": ADDRESS}`, `{"fault": {...}}` and `{"sent": {...}}`. When stdin ends, the
one who started us is gone, even by kill -9: the process ends itself as on SIGTERM, and for good after a grace.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_SECONDS = 8.0
"""How long a process may take to drain and flush before it ends regardless."""


def end_process() -> None:
    """End as on SIGTERM; if that does not come to an end in time, end at once."""
    deadline = threading.Timer(GRACE_SECONDS, os._exit, (1,))
    deadline.daemon = True
    deadline.start()
    os.kill(os.getpid(), signal.SIGTERM)


class Control:
    """Talks to the parent. What others print goes to stderr, so that stdout holds the protocol alone."""

    def __init__(self) -> None:
        self._up: IO[str] = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._lock = threading.Lock()

    def say(self, message: dict[str, object]) -> None:
        """Send one message up. Nobody listening is no error: the end of stdin will say so."""
        with self._lock:
            try:
                self._up.write(json.dumps(message) + "\n")
                self._up.flush()
            except (BrokenPipeError, ValueError):
                return

    def listen(self, hear: Callable[[dict[str, object]], None]) -> None:
        """From now on give each message from above to `hear`, in a thread."""

        def read() -> None:
            try:
                for line in sys.stdin:
                    hear(json.loads(line))
            finally:
                end_process()

        threading.Thread(target=read, name="control", daemon=True).start()
