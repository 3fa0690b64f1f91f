"""What a default install takes on disk: see docs/decisions/031-default-install.md."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
MOST = 420 << 20
BLOCK = 4096
"""Files take whole blocks."""


def closure() -> dict[str, int]:
    """Every distribution that the product needs, without extras and development tools, with its size on disk."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    todo = [Requirement(line) for line in project["dependencies"]]
    seen: set[tuple[str, frozenset[str]]] = set()
    sizes: dict[str, int] = {}
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        if (name, frozenset(asked.extras)) in seen:
            continue
        seen.add((name, frozenset(asked.extras)))
        distribution = importlib.metadata.distribution(name)
        sizes[name] = size_of(distribution)
        for line in distribution.requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in asked.extras | {""}):
                todo.append(needed)
    return sizes


def size_of(distribution: importlib.metadata.Distribution) -> int:
    """Bytes on disk, without what Python compiles."""
    paths = (Path(str(file.locate())) for file in distribution.files or () if file.suffix != ".pyc")
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in paths if path.is_file())


def test_a_default_install_takes_less_than_420_mebibytes() -> None:
    sizes = closure()
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    listed = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in largest)
    assert sum(sizes.values()) < MOST, f"{sum(sizes.values()) / 2**20:.0f} MiB; the largest: {listed}"
    assert not {"pyarrow", "rocksdict", "cryptography", "pandas"} & sizes.keys()
