"""An engine: a process of its own for each target, watched from outside, so that no input ends the others or lasts for ever."""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, NoReturn

from tests.fuzz.target import Finding, Target, check

if TYPE_CHECKING:
    from collections.abc import Callable

    Fuzz = Callable[[Target, "Limit", int, "Watched"], Finding | None]
    """A target, how much of it, the seed, and what runs each input: what was found, if anything."""

ROOM = 1 << 20
"""Longest input, in bytes, that a process that ended or hung can be asked for."""
HANGS = 60.0
"""Seconds beyond its time after which a target's process is ended."""
SLOWEST = 0.1
"""Seconds of an input that are waited for where inputs are counted."""
_NOTE = Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a target: seconds, or, so that every machine tries the same, a number of inputs."""

    seconds: float
    inputs: int

    def reached(self, since: float, inputs: int) -> bool:
        """Whether it ends, begun at this time of the monotonic clock and after this many inputs."""
        return inputs >= self.inputs if self.inputs else time.monotonic() - since >= self.seconds


class Watched:
    """Runs inputs of one target, and notes each where the parent can read it."""

    def __init__(self, target: Target, note: mmap.mmap, slower: float, pipe: int) -> None:
        self._target, self._note, self._slower, self._pipe = target, note, slower, pipe
        self.inputs = self.valid = 0

    def __call__(self, data: bytes) -> None:
        """Run an input.

        Raises:
            Finding: it did not go well.
        """
        if len(data) > ROOM:
            return
        _NOTE.pack_into(self._note, 0, self.inputs, self.valid, len(data))
        self._note[_NOTE.size : _NOTE.size + len(data)] = data
        valid = check(self._target, data, self._slower)
        self.inputs += 1
        self.valid += valid
        _NOTE.pack_into(self._note, 0, self.inputs, self.valid, len(data))

    def end(self, finding: Finding | None) -> NoReturn:
        """End the process and tell the parent what was found."""
        if finding is not None:
            os.write(self._pipe, str(finding).encode()[:60_000])
        os._exit(0)


def run(
    make_targets: Callable[[Path, ExitStack], dict[str, Target]], fuzz: Fuzz, slower: float, name: str, arguments: list[str]
) -> None:
    """Fuzz each target in turn; a line of JSON on stdout for each.

    Args:
        make_targets: gives the targets.
        fuzz: the engine.
        slower: how many times slower code runs under it.
        name: of the engine.
        arguments: seconds in all, inputs of each target instead (0: the seconds count), the seed, and names of targets, or none
            for all.
    """
    seconds, inputs, seed, only = float(arguments[0]), int(arguments[1]), int(arguments[2]), arguments[3:]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        targets = {key: target for key, target in make_targets(Path(folder), stack).items() if not only or key in only}
        for target in targets.values():
            with mmap.mmap(-1, _NOTE.size + ROOM) as note:
                finding = _in_a_process(fuzz, target, note, slower, Limit(seconds / len(targets), inputs), seed)
                tried, valid, _ = _NOTE.unpack_from(note)
                _tell({"engine": name, "target": target.name, "inputs": tried, "valid": valid, "finding": finding})


def _in_a_process(fuzz: Fuzz, target: Target, note: mmap.mmap, slower: float, limit: Limit, seed: int) -> str:
    """What was found, or empty."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            watched = Watched(target, note, slower, writer)
            watched.end(fuzz(target, limit, seed, watched))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        # libFuzzer ends the process by itself: then the pipe closes with nothing in it, and the exit code says why.
        readable, _, _ = select.select([pipe], [], [], limit.seconds * 2 + HANGS + limit.inputs * SLOWEST)
        if not readable:
            os.kill(child, signal.SIGKILL)
        said = pipe.read().decode(errors="replace") if readable else ""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if said or not code:
        return said
    _, _, length = _NOTE.unpack_from(note)
    reason = "no end was seen" if not readable else f"the process ended with {code}"
    return str(Finding(target, note[_NOTE.size : _NOTE.size + length], reason))


def _tell(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def shrunk(target: Target, data: bytes, reason: str, seconds: float = 5.0) -> Finding:
    """The same finding with fewer bytes, as far as a few seconds lead."""
    best = Finding(target, data, reason)
    kind = reason.partition(":")[0]
    until = time.monotonic() + seconds
    step = max(1, len(data) // 2)
    while step and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            fewer = data[:at] + data[at + step :]
            try:
                check(target, fewer)
            except Finding as finding:
                if finding.reason.partition(":")[0] == kind:
                    data, best = fewer, finding
                    continue
            at += step
        step //= 2
    return best
