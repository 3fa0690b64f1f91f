"""Configuration files before us and before `amtool check-config` of Debian's package; skipped where that is missing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from alerting.alertmanager.config import parse_config
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.interop.alertmanager_files import DIFFERENT, FILES, TEMPLATES

if TYPE_CHECKING:
    from pathlib import Path

AMTOOL = shutil.which("amtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not AMTOOL, reason="no amtool on the PATH (Debian: prometheus-alertmanager)"),
]


def test_every_file_is_accepted_or_refused_as_by_amtool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in TEMPLATES.items():
        (tmp_path / name).write_text(text)
    different: dict[str, str] = {}
    lines = [f"\n\n{'Alertmanager files':<24}{'files':>7}{'refused':>9}{'differences':>13}{'meant':>7}"]
    for kind, texts in FILES.items():
        refused = found = 0
        for i, text in enumerate(texts):
            path = tmp_path / f"{i}.yml"
            path.write_text(text, encoding="utf-8")
            theirs = subprocess.run([str(AMTOOL), "check-config", str(path)], capture_output=True, text=True, check=False)
            ours = ""
            try:
                parse_config(text, str(path), NOTIFIERS)
            except ConfigError as error:
                ours = str(error)
                assert ours.startswith(str(tmp_path)), "an error names its file"
            refused += bool(ours)
            if bool(theirs.returncode) != bool(ours):
                found += 1
                different[text] = f"{text!r}: amtool: {theirs.stdout[-200:]}, ours: {ours or 'taken'}"
        meant = sum(text in DIFFERENT for text in texts)
        lines.append(f"{kind:<24}{len(texts):>7}{refused:>9}{found - meant:>13}{meant:>7}")
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201  # the table is the point
    assert different.keys() == DIFFERENT.keys(), "\n".join(line for text, line in different.items() if text not in DIFFERENT)
