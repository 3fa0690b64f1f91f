"""Tries what CONTRIBUTING.md adds, in a process of its own: `python -m tests.contracts.recipes FOLDER`.

The folder has the files of the recipes by their paths, and `components.py`: the list with a line more for each.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from pathlib import Path


def add(folder: Path) -> None:
    """Let the packages have the new files too, and the program the longer list."""
    for file in folder.rglob("*/*.py"):
        package = importlib.import_module(".".join(file.relative_to(folder).parent.parts))
        package.__path__.append(str(file.parent))
    spec = importlib.util.spec_from_file_location("spanloom.components", folder / "components.py")
    assert spec is not None
    assert spec.loader is not None
    listed = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(listed)
    importlib.import_module("spanloom").components = listed  # type: ignore[attr-defined]


if __name__ == "__main__":
    add(Path(sys.argv[1]))
    # Only now: what it imports reads the list.
    asyncio.run(importlib.import_module("tests.contracts.recipe_checks").check(Path(sys.argv[1])))
