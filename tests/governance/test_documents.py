"""Documents that arrive at a control plane: read beside its event loop, and never empty by accident."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from governance import control
from governance.compile.snapshot import compile_snapshot
from governance.files import read_policies
from governance.revisions import Status
from governance.snapshots import fleet_snapshots
from governance.stores.sqlite import SqliteStore
from telemetry.errors import ConfigError
from tests.governance.mesh import Mesh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT = "timeouts: [{name: t, service: pay, request: 1s}]"


async def test_a_document_is_read_and_compiled_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, threading.Thread] = {}

    def noting(called: Callable[P, T]) -> Callable[P, T]:
        def noted(*args: P.args, **kwargs: P.kwargs) -> T:
            threads[called.__name__] = threading.current_thread()
            return called(*args, **kwargs)

        return noted

    monkeypatch.setattr(control, "read_policies", noting(read_policies))
    monkeypatch.setattr(fleet_snapshots, "compile_snapshot", noting(compile_snapshot))
    async with Mesh(tmp_path) as mesh:
        await mesh.control.check(TIMEOUT, "x.yml")
    assert set(threads) == {"read_policies", "compile_snapshot"}
    assert threading.main_thread() not in threads.values()


@pytest.mark.parametrize("text", ["", " \n\n"])
async def test_a_file_without_a_word_takes_no_policy_away(tmp_path: Path, text: str) -> None:
    async with Mesh(tmp_path) as mesh:
        await mesh.publish(TIMEOUT)
        with pytest.raises(ConfigError, match=r"^test\.yml: the file is empty; to take all policies away, write \{\}$"):
            await mesh.publish(text)
        assert mesh.control.stable == "1"
        assert await mesh.publish("{}") == "2"


async def test_an_empty_document_of_before_is_still_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "control.sqlite")
    await store.add("", "ann", "", 1)
    await store.mark("1", Status.STABLE, "", "ann", 2)
    await store.close()
    async with Mesh(tmp_path) as mesh:
        assert mesh.control.stable == "1"


def test_a_pattern_that_is_none_is_named_in_words_and_logs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    rule = '{match: {headers: [{name: x, regex: "a["}]}, to: [{weight: 1}]}'
    with pytest.raises(ConfigError, match=r"not a regular expression of RE2: missing \]: \["):
        read_policies(f"routes: [{{name: r, service: pay, rules: [{rule}]}}]", "x.yml")
    assert capfd.readouterr().err == ""
