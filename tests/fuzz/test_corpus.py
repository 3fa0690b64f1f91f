"""Inputs that once went wrong, and the seeds, run through their targets."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.regressions import CORPUS, kept
from tests.fuzz.target import Target, check
from tests.fuzz.targets import all_targets

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with ExitStack() as stack:
        yield all_targets(tmp_path_factory.mktemp("fuzz"), stack)


def _kept() -> list[tuple[str, bytes]]:
    return [(file.stem, data) for file in sorted(CORPUS.glob("*.txt")) for data in kept(file.stem)]


@pytest.mark.parametrize(("name", "data"), _kept())
def test_an_input_that_once_went_wrong_goes_well(targets: dict[str, Target], name: str, data: bytes) -> None:
    check(targets[name], data)


def test_every_seed_is_valid(targets: dict[str, Target]) -> None:
    invalid = [(target.name, seed[:80]) for target in targets.values() for seed in target.seeds[:1] if not check(target, seed)]
    assert invalid == []


def test_every_file_of_the_corpus_is_of_a_target(targets: dict[str, Target]) -> None:
    assert {file.stem for file in CORPUS.glob("*.txt")} <= targets.keys()
