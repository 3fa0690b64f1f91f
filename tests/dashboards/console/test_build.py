"""The committed files are those that the sources give, and the sources' own tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "dashboards" / "console"
INSTALL_SECONDS, BUILD_SECONDS = 600, 600
"""On two cores with much other work an install took 15 s, a build 20 s."""


OURS = ("EUSAGE", "E404", "ERESOLVE", "EINTEGRITY", "EBADENGINE")
"""What npm says where the lock file is wrong and no network would help."""


@pytest.fixture(scope="module")
def npm() -> str:
    """npm, with the console's packages installed."""
    found = shutil.which("npm")
    if found is None:
        pytest.skip("needs npm in PATH (Debian: apt-get install nodejs npm)")
    if (SOURCES / "node_modules" / ".installed").exists():
        return found
    installed = subprocess.run(
        ["make", "console-setup"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    broken = [code for code in OURS if code in installed.stderr]
    assert not broken, installed.stderr[-2000:]
    if installed.returncode != 0:
        pytest.skip(f"npm ci failed; is its registry in reach? {installed.stderr[-500:]}")
    return found


def run(npm: str, *arguments: str) -> None:
    environment = os.environ | {"NO_COLOR": "1", "CI": "1"}
    done = subprocess.run(
        [npm, *arguments], cwd=SOURCES, check=False, capture_output=True, text=True, timeout=BUILD_SECONDS, env=environment
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_committed_files_are_those_that_the_sources_give(npm: str, tmp_path: Path) -> None:
    built = tmp_path / "static"
    run(npm, "run", "build", "--", "--outDir", str(built), "--emptyOutDir")
    committed, made = files(SOURCES / "static"), files(built)
    assert sorted(committed) == sorted(made), "run `make console` and commit dashboards/console/static"
    assert [name for name in committed if committed[name] != made[name]] == []


def test_the_units_of_the_console_hold(npm: str) -> None:
    run(npm, "test")


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (SOURCES / "package-lock.json").read_text()


def test_no_source_file_is_long_or_gives_up_its_types() -> None:
    sources = [path for path in (SOURCES / "src").rglob("*.ts*") if not path.name.endswith(".d.ts")]
    assert sources
    lines = {str(path.relative_to(SOURCES)): path.read_text().splitlines() for path in sources}
    assert {name: len(text) for name, text in lines.items() if len(text) > 400} == {}
    loose = [name for name, text in lines.items() for line in text if ": any" in line or "as any" in line or "<any>" in line]
    assert loose == []
