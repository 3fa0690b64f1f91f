"""What a person sees while a command works, on the standard error: a line that moves on a terminal, else one now and then."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

EVERY = 10.0
"""Seconds between two lines where there is no terminal: some for who waits a minute, not too many for a log of hours."""


@contextmanager
def reading(files: Sequence[Path], every: float = EVERY, *, as_json: bool = False) -> Iterator[Callable[[Path, int], None]]:
    """What is called with a file and how many of its bytes were read, whenever that has changed.

    `as_json`: a program reads the result, so that without a terminal nothing is written.
    """
    console = Console(stderr=True)
    sizes = {path: path.stat().st_size for path in files}
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            tasks = {path: bar.add_task(path.name, total=size) for path, size in sizes.items()}
            yield lambda path, at: bar.update(tasks[path], completed=at)
        return
    begin = last = monotonic()

    def line(path: Path, at: int) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= every and not as_json:
            last = now
            console.print(f"{path.name}: {_share(at, sizes[path])} after {now - begin:.0f} s", markup=False, soft_wrap=True)

    yield line


@contextmanager
def doing(step: str, every: float = EVERY, *, as_json: bool = False) -> Iterator[Callable[[str], None]]:
    """Show a step, for as long as it takes, and what is called with the next one. Nobody knows how far it is.

    `as_json` as of `reading`.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(step) as status:
            yield status.update
        return
    if as_json:
        yield lambda _following: None
        return
    current, begin, done = [step], monotonic(), threading.Event()

    def lines() -> None:
        while not done.wait(every):
            console.print(f"{current[0]}: {monotonic() - begin:.0f} s so far", markup=False, soft_wrap=True)

    thread = threading.Thread(target=lines, name="progress", daemon=True)
    thread.start()
    try:
        yield lambda following: current.__setitem__(0, following)
    finally:
        done.set()
        thread.join()


def _share(at: int, size: int) -> str:
    return f"{at / size:.0%}" if size else "100%"
