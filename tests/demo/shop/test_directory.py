from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.shop.directory import Directory, NoInstanceError

if TYPE_CHECKING:
    from pathlib import Path


def publish(file: Path, addresses: dict[str, str]) -> None:
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(addresses))
    aside.replace(file)


def test_a_new_file_is_seen_by_the_next_call(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    directory = Directory(file)
    publish(file, {"cart": "127.0.0.1:1"})
    assert directory.address("cart") == "127.0.0.1:1"
    publish(file, {"cart": "127.0.0.1:2"})
    assert directory.address("cart") == "127.0.0.1:2"


def test_no_file_and_no_address_are_reported_by_the_service_name(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    directory = Directory(file)
    with pytest.raises(NoInstanceError, match="cart"):
        directory.address("cart")
    publish(file, {"payment": "127.0.0.1:1"})
    with pytest.raises(NoInstanceError, match="cart"):
        directory.address("cart")
