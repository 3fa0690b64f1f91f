"""What is private is so from its first moment, whatever the umask."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from components.private_files import keep_files_private, make_private_folder, narrow, open_private, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def permissive() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_folders_that_are_missing_are_made_private_and_those_above_are_left_alone(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o755)
    make_private_folder(above / "data" / "log")
    assert [rights(path) for path in (above, above / "data", above / "data" / "log")] == ["0o755", "0o700", "0o700"]


def test_files_are_private_whoever_opens_them(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb", opener=open_private):
        pass
    write_private(tmp_path / "b", b"secret")
    assert [rights(tmp_path / name) for name in "ab"] == ["0o600", "0o600"]


def test_a_private_file_replaces_one_that_others_could_read_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"old")
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "key.unfinished").symlink_to(tmp_path / "elsewhere")
    write_private(tmp_path / "key", b"new")
    assert ((tmp_path / "key").read_bytes(), rights(tmp_path / "key")) == (b"new", "0o600")
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_what_others_can_read_is_narrowed_and_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(b"")
    assert narrow([tmp_path / name for name in ("file", "folder", "link", "missing")]) == []
    assert [rights(tmp_path / name) for name in ("file", "folder", "target")] == ["0o600", "0o700", "0o666"]


def test_what_is_not_ours_to_change_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("not the owner")

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    assert narrow([tmp_path / "file"]) == [tmp_path / "file"]


def test_from_now_on_files_are_private(tmp_path: Path) -> None:
    assert keep_files_private() == 0
    (tmp_path / "a").write_bytes(b"")
    assert rights(tmp_path / "a") == "0o600"
