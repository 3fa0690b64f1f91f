"""Approvals by commands of two people, at a control plane that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from components.access.tokens import new_token, token_hash
from tests.governance.test_commands import controlling, run
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOKENS = {name: new_token() for name in ("ann", "ben", "eve", "root")}
ROLES = {"ann": "operator", "ben": "operator", "eve": "viewer", "root": "admin"}


def configuration(role: str) -> str:
    tokens = [{"name": name, "role": ROLES[name], "hash": token_hash(token)} for name, token in TOKENS.items()]
    control = {"rollout": {"waves": [{"soak_seconds": 0}]}, "approvals": {"required": 1, "role": role}}
    return orjson.dumps({"access": {"tokens": tokens}, "control": control}).decode()


async def test_two_people_release_what_neither_can_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policies.yml"
    file.write_text("timeouts: [{name: t, service: pay, request: 1s}]\n")

    async def act(name: str, *arguments: str, code: int = 0) -> str:
        monkeypatch.setenv("SPANLOOM_TOKEN", TOKENS[name])
        return await run(tmp_path, "policy", *arguments, "--url", url, code=code)

    monkeypatch.setenv("SPANLOOM_TOKEN", TOKENS["ann"])
    async with controlling(tmp_path, free_port(), free_port(), configuration("operator")) as url:
        assert "waits for approval" in await act("ann", "push", str(file), "--comment", "slow")
        assert "somebody else must approve it" in await act("ann", "approve", "1", "--yes", code=1)
        assert "eve" in await act("eve", "approve", "1", "--yes", code=1)
        waiting = orjson.loads(await act("eve", "drafts", "--json"))
        assert [(each["number"], each["author"], each["missing"]) for each in waiting["drafts"]] == [("1", "ann", 1)]
        assert "+timeouts: [{name: t" in await act("ben", "review", "1")
        said = await act("ben", "approve", "1", "--yes")
        assert "+timeouts: [{name: t" in said
        assert "revision 1 is on its way" in said
        history = orjson.loads(await act("ann", "history", "--json"))
        assert [(each["author"], each["comment"]) for each in history["revisions"]] == [("ann", "slow")]
        file.write_text("timeouts: [{name: t, service: pay, request: 3s}]\n")
        await act("ben", "push", str(file), "--draft", "--json")
        assert "is rejected" in await act("ann", "reject", "2", "--why", "too slow")
        assert "it is rejected" in await act("ann", "approve", "2", "--against", "1", code=1)


async def test_where_administrators_decide_an_operator_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policies.yml"
    file.write_text("timeouts: [{name: t, service: pay, request: 1s}]\n")
    monkeypatch.setenv("SPANLOOM_TOKEN", TOKENS["ann"])
    async with controlling(tmp_path, free_port(), free_port(), configuration("admin")) as url:
        await run(tmp_path, "policy", "push", str(file), "--url", url)
        monkeypatch.setenv("SPANLOOM_TOKEN", TOKENS["ben"])
        refused = await run(tmp_path, "policy", "approve", "1", "--yes", "--url", url, code=1)
        assert "administrators" in refused
        monkeypatch.setenv("SPANLOOM_TOKEN", TOKENS["root"])
        assert "on its way" in await run(tmp_path, "policy", "approve", "1", "--yes", "--url", url)
