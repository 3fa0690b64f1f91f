"""Functions that remember what they gave, bounded in bytes: `functools.lru_cache` counts entries, and one may be a megabyte."""

from __future__ import annotations

import threading
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

ENTRY_BYTES = 200
"""Bytes of an entry beside its texts, about."""


def texts(*arguments: object, **_: object) -> int:
    """Characters of the arguments that are text."""
    return sum(len(argument) for argument in arguments if isinstance(argument, str))


def remembered(size: int, weigh: Callable[..., int] = texts) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember results by their positional arguments, up to `size` bytes as `weigh` has it; the oldest are evicted first.

    What would take a sixteenth of it alone is not remembered. Safe in threads.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known: dict[tuple[object, ...], tuple[R, int]] = {}
        adding = threading.Lock()
        size_now = 0

        @wraps(function)
        def remembering(*arguments: P.args, **options: P.kwargs) -> R:
            nonlocal size_now
            key = (arguments, *options.values()) if options else arguments
            found = known.get(key)
            if found is not None:
                return found[0]
            result = function(*arguments, **options)
            weight = ENTRY_BYTES + weigh(*arguments)
            if weight * 16 <= size:
                with adding:
                    if key not in known:
                        known[key] = result, weight
                        size_now += weight
                    while size_now > size:
                        size_now -= known.pop(next(iter(known)))[1]
            return result

        remembering.__dict__["held"] = lambda: size_now
        return remembering

    return decorate
