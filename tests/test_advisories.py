from __future__ import annotations

from typing import Any

import pytest

from tests import advisories
from tests.advisories import Verdict, verdict

CLEAN: dict[str, Any] = {"name": "anyio", "version": "4.16.0", "vulns": []}
NAMED: dict[str, Any] = CLEAN | {"vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["4.16.1"]}]}
SKIPPED: dict[str, Any] = {"name": "anyio", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([CLEAN, CLEAN], 0, "2 versions looked up, no advisory names any"),
        ([CLEAN, NAMED], 1, "anyio 4.16.0: PYSEC-2026-1, fixed in 4.16.1"),
        ([SKIPPED, SKIPPED], 2, "NOT CHECKED FOR ADVISORIES: no version could be looked up"),
        ([CLEAN, SKIPPED], 2, "NOT CHECKED FOR ADVISORIES: 1 of 2 versions could not be looked up"),
        ([NAMED, SKIPPED], 1, "PYSEC-2026-1"),
        ([], 2, "NOT CHECKED FOR ADVISORIES"),
    ],
)
def test_what_could_not_be_looked_up_is_never_said_to_be_clean(dependencies: list[Any], code: int, said: str) -> None:
    found = verdict({"dependencies": dependencies})
    assert found.code == code
    assert said in "\n".join(found.lines("requirements.lock"))


def test_no_answer_says_why() -> None:
    found = verdict(None, "api.example.org: name or service not known")
    assert found.code == 2
    assert "name or service not known" in "\n".join(found.lines("requirements.lock"))


@pytest.mark.parametrize(("flags", "code"), [([], 2), (["--if-reachable"], 0)])
def test_ci_goes_on_without_an_advisory_source_and_says_so(
    flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(advisories, "ask", lambda _: Verdict(0, (), ("nobody answers",)))
    assert advisories.main(flags) == code
    assert capsys.readouterr().out.count("NOT CHECKED FOR ADVISORIES") == 2


def test_ci_ends_where_an_advisory_names_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "ask", lambda _: Verdict(1, ("anyio 4.16.0: PYSEC-2026-1",), ("x",)))
    assert advisories.main(["--if-reachable"]) == 1
