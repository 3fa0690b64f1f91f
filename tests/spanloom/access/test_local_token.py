from __future__ import annotations

import io
import multiprocessing
import os
import stat
from typing import TYPE_CHECKING

import pytest

from components.access.tokens import Tokens, is_token
from spanloom.access.local_token import authorization, local_entry, make_local_token, show_login_link, token_file
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    """Text that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPANLOOM_TOKEN", raising=False)


def test_it_is_made_once_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        token = make_local_token(tmp_path / "data")
    finally:
        os.umask(before)
    assert is_token(token)
    assert make_local_token(tmp_path / "data") == token
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["token"]
    assert stat.S_IMODE(token_file(tmp_path / "data").stat().st_mode) == 0o600
    found = Tokens([local_entry(token)]).find(token)
    assert found is not None
    assert (found.name, found.role) == ("local", "admin")


def test_processes_that_begin_at_once_have_one(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(make_local_token, [tmp_path] * 20))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    make_local_token(tmp_path)
    token_file(tmp_path).chmod(mode)
    with pytest.raises(ConfigError, match=r"only its owner can read \(mode 0600\): remove it"):
        make_local_token(tmp_path)
    with pytest.raises(ConfigError, match="only its owner"):
        authorization("http://127.0.0.1:8080", tmp_path)


@pytest.mark.parametrize("content", [b"", b"password", b"\xff\xfe"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    token_file(tmp_path).write_bytes(content)
    token_file(tmp_path).chmod(0o600)
    with pytest.raises(ConfigError, match="token"):
        make_local_token(tmp_path)


def test_the_login_link_is_shown_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, log, terminal = io.StringIO(), io.StringIO(), Terminal()
    monkeypatch.setattr("sys.stdout", pipe)
    monkeypatch.setattr("sys.stderr", log)
    show_login_link("http://127.0.0.1:8080", "spanloom_x")
    assert (pipe.getvalue(), log.getvalue()) == ("", "")
    monkeypatch.setattr("sys.stderr", terminal)
    show_login_link("http://127.0.0.1:8080", "spanloom_x")
    assert "http://127.0.0.1:8080/login?token=spanloom_x" in terminal.getvalue()
    assert pipe.getvalue() == ""


def test_a_command_proves_itself_by_the_variable_or_on_this_machine_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert authorization("http://127.0.0.1:8080", tmp_path) == {}
    token = make_local_token(tmp_path)
    for url in ("http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"):
        assert authorization(url, tmp_path) == {"authorization": f"Bearer {token}"}
    for url in ("http://10.0.0.1:8080", "https://spanloom.example.com", "http://127.0.0.1.evil.example"):
        assert authorization(url, tmp_path) == {}, "the token of this machine stays on it"
    monkeypatch.setenv("SPANLOOM_DATA_DIR", str(tmp_path))
    assert authorization("http://127.0.0.1:8080") == {"authorization": f"Bearer {token}"}
    monkeypatch.setenv("SPANLOOM_TOKEN", "another")
    assert authorization("https://spanloom.example.com", tmp_path) == {"authorization": "Bearer another"}
