"""Files that change while the process runs, with rules as the example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from alerting.rules.engine import AlertEngine
from alerting.rules.files import load_rules
from components.live_files import LiveFiles
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RULES = "groups:\n- name: {name}\n  rules:\n  - {{record: {name}, expr: '{expr}'}}\n"


def rules(engine: AlertEngine, *patterns: Path) -> LiveFiles:
    async def take(paths: Sequence[Path]) -> None:
        engine.replace_rules(load_rules(paths))

    return LiveFiles([str(pattern) for pattern in patterns], take)


def names(engine: AlertEngine) -> list[str]:
    return [group.name for group in engine.groups]


async def test_a_changed_file_is_accepted_and_an_unchanged_one_left_alone(tmp_path: Path) -> None:
    files = rules(engine := AlertEngine(), tmp_path / "*.yml")
    (tmp_path / "a.yml").write_text(RULES.format(name="a", expr="1"))
    assert await files.refresh()
    assert not await files.refresh()
    (tmp_path / "b.yml").write_text(RULES.format(name="b", expr="vector(1)"))
    assert await files.refresh()
    assert names(engine) == ["a", "b"]
    (tmp_path / "a.yml").unlink()
    assert await files.refresh()
    assert names(engine) == ["b"]


async def test_a_pattern_reaches_into_folders_and_one_without_a_file_is_counted(tmp_path: Path) -> None:
    for folder, name in (("", "top"), ("x", "below"), ("x/y", "deep")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "r.yml").write_text(RULES.format(name=name, expr="1"))
    (tmp_path / "x" / "folder.yml").mkdir()
    by_star = rules(engine := AlertEngine(), tmp_path / "*" / "*.yml")
    await by_star.refresh()
    assert names(engine) == ["below"]
    at_any_depth = rules(engine, tmp_path / "**" / "*.yml", tmp_path / "none" / "*.yml", tmp_path / "no?.yml")
    with capture_logs() as logs:
        await at_any_depth.refresh()
        await at_any_depth.refresh()
    assert (names(engine), by_star.unmatched, at_any_depth.unmatched) == (["top", "below", "deep"], 0, 2)
    assert [line["event"] for line in logs] == ["patterns_match_no_file"]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "r.yml").write_text(RULES.format(name="late", expr="1"))
    assert await at_any_depth.refresh()
    assert ("late" in names(engine), at_any_depth.unmatched) == (True, 1)


async def test_a_file_whose_name_looks_like_a_pattern_is_meant(tmp_path: Path) -> None:
    (tmp_path / "[a].yml").write_text(RULES.format(name="a", expr="1"))
    files = rules(engine := AlertEngine(), tmp_path / "[a].yml")
    await files.refresh()
    assert names(engine) == ["a"]


async def test_one_bad_file_is_refused_once_and_all_old_rules_stay(tmp_path: Path) -> None:
    files = rules(engine := AlertEngine(), tmp_path / "*.yml")
    (tmp_path / "a.yml").write_text(RULES.format(name="a", expr="1"))
    await files.refresh()
    (tmp_path / "a.yml").write_text(RULES.format(name="changed", expr="vector(2)"))
    (tmp_path / "b.yml").write_text(RULES.format(name="b", expr="nosuch(1)"))
    with pytest.raises(ConfigError, match=r'b\.yml:4:\d+: group "b": expr: unknown function "nosuch"'):
        await files.refresh()
    assert not await files.refresh()
    assert (names(engine), files.refused) == (["a"], 1)


async def test_a_rule_that_reads_further_back_than_samples_are_kept_is_refused(tmp_path: Path) -> None:
    files = rules(AlertEngine(), tmp_path / "a.yml")
    (tmp_path / "a.yml").write_text(RULES.format(name="a", expr="max_over_time(rate(x[30m])[20m:] offset 11m)"))
    with pytest.raises(ConfigError, match="reads 1h1m back, but samples are kept for 1h"):
        await files.refresh()


async def test_a_file_that_must_be_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read"):
        await rules(AlertEngine(), tmp_path / "none.yml").refresh()


async def test_files_that_the_files_name_count_as_well(tmp_path: Path) -> None:
    taken: list[int] = []
    named: list[str] = []

    async def take(paths: Sequence[Path]) -> None:
        taken.append(len(paths))
        named[:] = [str(tmp_path / "*.tmpl")]

    (tmp_path / "a.yml").write_text("1")
    files = LiveFiles([str(tmp_path / "a.yml")], take, lambda: named)
    assert await files.refresh()
    assert not await files.refresh()
    (tmp_path / "a.tmpl").write_text("{{ .Status }}")
    assert await files.refresh()
    assert not await files.refresh()
    assert taken == [1, 1], "they are not handed over"
