"""What is seen while a command works: a line now and then without a terminal, one that moves on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from spanloom.commands.progress import doing, reading

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_without_a_terminal_each_file_has_a_line_now_and_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"x" * 200)
    with reading([file], every=0) as show:
        show(file, 50)
        show(file, 200)
    with reading([file], every=3600) as show:
        show(file, 50)
    with reading([file], every=0, as_json=True) as show:
        show(file, 50)
    with doing("reading", every=0, as_json=True):
        pass
    out, err = capsys.readouterr()
    assert [line.split(" after ")[0] for line in err.splitlines()] == ["spans.jsonl: 25%", "spans.jsonl: 100%"]
    assert out == ""


def test_without_a_terminal_a_step_that_takes_long_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    enough = {"reading": threading.Event(), "playing": threading.Event()}

    class Terminal:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> None:
            lines.append(text)
            for step, seen in enough.items():
                if step in text:
                    seen.set()

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Terminal())
    with doing("reading", every=0.001) as following:
        assert enough["reading"].wait(120)
        following("playing")
        assert enough["playing"].wait(120)
    assert "s so far" in "".join(lines)


PROGRAM = """
import pathlib, sys
from spanloom.commands.progress import doing, reading
file = pathlib.Path(sys.argv[1])
with reading([file]) as show:
    show(file, 50)
with doing("reading what is stored") as following:
    following("playing it")
print("result")
"""


def test_on_a_terminal_a_line_moves_and_the_result_goes_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"x" * 200)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)], stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:  # its end, for Linux
            pass
        assert process.stdout is not None
        assert process.stdout.read() == b"result\n"
    os.close(ours)
    assert process.returncode == 0
    assert b"spans.jsonl" in seen
    assert b"50/200 bytes" in seen
    assert b"playing it" in seen
