"""What a command printed is for operators: others see that it ran, and with which exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import BaseModel

from alerting.playbooks.actions.action import ActionError
from alerting.playbooks.child_output import HIDDEN, REDACTED, check_fields, without_output
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.model.load import load_playbooks
from alerting.playbooks.runner import PlaybookRunner
from telemetry.documents import Kind
from telemetry.errors import InputError
from tests.alerting.playbooks.world import START, Alert, feed, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alerting.playbooks.kernel.messages import Notice
    from telemetry.documents import Body, Document

PRINTED = "customer 4711 pays by card 5500"
PLAYBOOK = """
playbooks:
- name: p
  trigger: {alert: ['severity="critical"']}
  approve: automatic
  cooldown: 1m
  steps:
  - name: a
    action: command
    with: {command: [first]}
    timeout: 5s
    inverse: {action: command, with: {command: [/opt/back.sh, --, $result_output]}, idempotent: true}
  - name: b
    action: command
    with: {command: [second]}
    timeout: 5s
    inverse: none
  verify: {expr: up > 0, for: 5s, within: 1m}
"""


class Arguments(BaseModel):
    command: list[str]


class Printing:
    """A command that prints; the second fails."""

    name, idempotent, arguments = "command", False, Arguments
    programs = ("/opt/back.sh",)

    async def run(self, arguments: Arguments, key: str) -> dict[str, str]:
        del key
        if arguments.command == ["second"]:
            raise ActionError("second: exit code 3", output=PRINTED)
        return {"exit_code": "0", "output": PRINTED}


async def test_neither_records_nor_incidents_nor_notices_show_it_to_others(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(PLAYBOOK)
    actions: dict[str, Any] = {"command": Printing()}
    healer = Healer(load_playbooks([tmp_path / "p.yml"], actions), actions, lambda *_: ())
    documents: list[Document] = []
    notices: list[Notice] = []

    async def save(_: Body, /) -> None: ...

    async def write(found: Sequence[Document], /) -> None:
        documents.extend(found)

    async def notify(notice: Notice, /) -> None:
        notices.append(notice)

    feed(healer, ["cart", "shop"])
    runner = PlaybookRunner(healer, save, write, notify, lambda: START)
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await runner.advance()
    await runner.idle()
    bodies = stored(documents, Kind.AUDIT) + stored(documents, Kind.INCIDENT)
    assert PRINTED in orjson.dumps(bodies).decode(), "operators read it"
    seen = [without_output(body) for body in bodies]
    assert PRINTED not in orjson.dumps(seen).decode()
    assert all(PRINTED not in notice.text for notice in notices)
    failed = next(body for body in seen if body.get("event") == "step-failed")
    assert (failed["data"]["detail"], failed["data"]["result"]["output"], failed[REDACTED]) == (
        "second: exit code 3",
        HIDDEN,
        True,
    )
    untouched = next(body for body in bodies if body.get("event") == "approved")
    assert without_output(untouched) == untouched
    await runner.stop()


def test_what_earlier_releases_wrote_into_texts_is_hidden_too() -> None:
    body = {"event": "escalated", "data": {"why": f"step 'a' failed: sh: exit code 3: {PRINTED}"}}
    assert PRINTED not in str(without_output(body))


@pytest.mark.parametrize("field", ["data.result.output", "steps.result.output", "data.detail", "why", "hash"])
def test_nobody_else_may_ask_by_what_is_hidden(field: str) -> None:
    check_fields(["@timestamp", "sequence", "incident"])
    with pytest.raises(InputError, match="only operators"):
        check_fields(["@timestamp", field])
