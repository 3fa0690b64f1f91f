"""The folder that an earlier release left, as an archive beside this file."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("recorded")


def unpack(version: str, folder: Path) -> dict[str, Any]:
    """The data folder of a release under `data`; gives what was noted of it when it was killed."""
    with tarfile.open(FOLDER / f"{version}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    noted: dict[str, Any] = json.loads((folder / "noted.json").read_text())
    return noted
