from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from components.sockets import descriptors


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    code = (
        "import resource; from components.sockets.descriptors import raise_limit, descriptor_limit;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024));"
        "print(raise_limit(), descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE), raise_limit())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "1024 1024 (1024, 1024) 1024\n"


@pytest.mark.parametrize(
    ("limit", "configured", "each", "expected"),
    [(20_000, 1000, 1, 1000), (1024, 1000, 1, 153), (1024, 1000, 3, 51), (256, 1000, 1, 38), (8, 1000, 3, 1)],
)
def test_a_low_limit_of_files_leaves_room_for_what_is_no_connection(
    monkeypatch: pytest.MonkeyPatch, limit: int, configured: int, each: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert descriptors.connections_within(configured, 0.3, each) == expected
    assert 3 * 0.3 * expected * each <= limit / 2 or expected == 1
