"""`spanloom up --once` with a fault in it: `python -m tests.spanloom.failing_role MODULE:ATTRIBUTE.NAME`."""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any


def fail(*_: Any, **__: Any) -> Any:
    raise OSError(5, "no such luck")


async def fail_later(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no such luck")


if __name__ == "__main__":
    module, _, path = sys.argv[1].partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for attribute in owners:
        owner = getattr(owner, attribute)
    setattr(owner, name, fail_later if iscoroutinefunction(getattr(owner, name)) else fail)
    from spanloom.cli import main

    main(["up", "--once"])
