"""Starts the real process, and starts it again when it ends by a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import structlog

from spanloom.logging import set_up_logging
from spanloom.process.child_command import dies_with_parent
from spanloom.process.exit_codes import CRASHED, FINAL, STOPPED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

log = structlog.get_logger(__name__)

MOST, WITHIN = 5, 300.0
"""Restarts within so many seconds after which it stops trying: a record that always crashes must not loop for ever."""

POLL_SECONDS = 0.1
"""Seconds between two checks for a stop signal, before another start."""


def become_supervisor(*arguments: str) -> NoReturn:
    """Go on as the supervisor of `spanloom ARGUMENTS`, in this process but without all that it imported to check settings."""
    os.execv(sys.executable, [sys.executable, "-m", "spanloom.supervise", *arguments])  # noqa: S606 - our own command


def supervise(arguments: Sequence[str]) -> int:
    """Run `python -m spanloom.cli ARGUMENTS` until it ends for good or crashes too often; returns its last exit code.

    One that a signal ended counts as crashed. The child ends with its parent, even when that is killed.
    """
    restarts: list[float] = []
    signals: list[int] = []  # signals that end it
    child: subprocess.Popen[bytes] | None = None

    def stop(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if child is not None:
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not signals:
        child = subprocess.Popen(  # noqa: S603 - our own command
            dies_with_parent(signal.SIGKILL, "-m", "spanloom.cli", *arguments),
            start_new_session=True,
        )
        if signals:  # while it was made
            child.send_signal(signals[-1])
        code = child.wait()
        if signals or code in FINAL:
            return max(code, STOPPED)
        moment = time.monotonic()
        restarts = [*(at for at in restarts if moment - at < WITHIN), moment]
        if len(restarts) > MOST:
            log.error(
                "restart_limit_reached",
                exit_code=code,
                restarts=len(restarts),
                within_seconds=WITHIN,
                hint="the log above says why",
            )
            return code if code > 0 else CRASHED
        log.error("restarting", exit_code=code, restart=len(restarts), of=MOST)
        restart_at = moment + min(2.0 ** len(restarts) / 4, 8.0)
        while not signals and time.monotonic() < restart_at:
            time.sleep(POLL_SECONDS)
    return STOPPED


if __name__ == "__main__":
    set_up_logging()
    sys.exit(supervise(sys.argv[1:]))
