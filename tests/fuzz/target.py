"""What is fuzzed: a function from bytes, its seeds, and the bounds that each input must keep."""

from __future__ import annotations

import resource
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SECONDS = 0.5
"""CPU-seconds that any input may take: below, a busy machine's noise is larger than what is measured."""
LEAST_BYTES = 96 << 20
"""Growth of the process that any input may cause: the allocator grows in steps, and caches fill."""
EMPTY = "empty"
"""How the corpus writes an input without bytes."""
TRIES = 3
"""Runs of an input that took too long, of which the fastest counts."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser.

    Args:
        name: as the command line and the corpus name it.
        run: only the errors of input may leave it.
        seeds: valid inputs, from which others are made.
        words: of the format, for inputs made of nothing else.
        seconds_per_byte: CPU that each byte may take, beyond LEAST_SECONDS.
        bytes_per_byte: memory that each byte may take, beyond LEAST_BYTES.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    seconds_per_byte: float = 20e-6
    bytes_per_byte: int = 300
    allowed: tuple[type[Exception], ...] = (InputError,)


class Finding(Exception):  # noqa: N818 - it is what is looked for
    """An input that a target did not survive as it should. The message can be put into the corpus as it is."""

    def __init__(self, target: Target, data: bytes, reason: str, trace: str = "") -> None:
        super().__init__(
            f"{target.name}: {reason}\n{trace}"
            f"  input ({len(data)} bytes): {data[:200]!r}\n"
            f"  to keep it, add this line to tests/fuzz/corpus/{target.name}.txt:\n"
            f"{data.hex() or EMPTY}  # {reason.splitlines()[0][:80]}"
        )
        self.reason = reason


def check(target: Target, data: bytes, slower: float = 1) -> bool:
    """Run an input; whether it was taken as valid.

    Args:
        target: what to run.
        data: the input.
        slower: how many times slower the code runs while a fuzzer watches it.

    Raises:
        Finding: another error than one of input, or more time or memory than the target may take.
    """
    before = _peak()
    started = time.process_time()
    valid = _run(target, data)
    seconds, grown = time.process_time() - started, _peak() - before
    most = (LEAST_SECONDS + target.seconds_per_byte * len(data)) * slower
    for _ in range(TRIES - 1):
        if seconds <= most:
            break
        started = time.process_time()
        _run(target, data)
        seconds = min(seconds, time.process_time() - started)
    if seconds > most:
        raise Finding(target, data, f"took {seconds:.2f} CPU-seconds, at most {most:.2f} for its size")
    if grown > LEAST_BYTES + target.bytes_per_byte * len(data):
        raise Finding(target, data, f"took {grown >> 20} MiB of memory for {len(data)} bytes")
    return valid


def _run(target: Target, data: bytes) -> bool:
    try:
        target.run(data)
    except target.allowed:
        return False
    except Exception as error:
        frames = "".join(traceback.format_tb(error.__traceback__)[-4:])
        raise Finding(target, data, f"{type(error).__name__}: {str(error)[:200]}", frames) from error
    return True


def _peak() -> int:
    """The largest size that the process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
