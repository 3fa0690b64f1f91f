"""Commands that end with the process that starts them, even when that one is killed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signal import Signals

_TIE = """
import ctypes, os, sys
starter, number, *arguments = sys.argv[1:]
ctypes.CDLL(None).prctl(1, int(number))
if os.getppid() == int(starter):
    os.execv(sys.executable, [sys.executable, *arguments])
"""
"""1 is PR_SET_PDEATHSIG, which outlasts exec (man 2 prctl)."""


def dies_with_parent(number: Signals, *arguments: str) -> tuple[str, ...]:
    """The command of `python ARGUMENTS`, which on Linux gets the signal when the thread that starts it ends.

    The new process asks for that itself and becomes the command then: code of ours between fork and exec, as a
    `preexec_fn` is, could wait for locks that threads of gRPC hold.
    """
    if sys.platform != "linux":
        return sys.executable, *arguments
    return sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), str(int(number)), *arguments
