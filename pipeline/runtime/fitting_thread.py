"""Models are fitted in a thread: that takes up to a second, and no record may wait for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.detectors.detector import Pending, Result

# One thread: Python's filters of warnings, which libraries change around a fit, belong to the whole process.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="fit")


def in_thread(work: Callable[[], Result], /) -> Pending[Result]:
    """Begin a pure function in the thread of fits, after those that were begun before."""
    return _THREAD.submit(work)
