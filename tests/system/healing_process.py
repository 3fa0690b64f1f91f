"""One process that heals: told a folder and a supervisor, it goes on from what the folder holds until the incident ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.model.load import load_playbooks
from alerting.playbooks.runner import PlaybookRunner
from tests.alerting.playbooks.all_actions import all_actions
from tests.alerting.playbooks.world import Alert, feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.playbooks.kernel.messages import Notice
    from telemetry.documents import Body, Document

PLAYBOOK = """
playbooks:
  - name: repair
    trigger: {alert: ['severity="critical"']}
    approve: automatic
    cooldown: 1h
    steps:
      - name: out
        phase: isolate
        action: isolate
        with: {via: supervisor, name: $service}
        timeout: 40s
        inverse: {action: restore, with: {via: supervisor, name: $service}}
      - {name: restart, action: restart, with: {via: supervisor, name: $service}, timeout: 40s, inverse: none}
      - {name: in, undo: out}
    verify: {expr: up > 0, for: 50ms, within: 1m}
"""


class Folder:
    """What is durable: the newest snapshot, replaced whole, and the documents, appended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def save(self, snapshot: Body, /) -> None:
        new = self.path / "snapshot.new"
        with new.open("w") as file:
            json.dump(snapshot, file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self.path / "snapshot.json")

    async def write(self, documents: Sequence[Document], /) -> None:
        with (self.path / "documents.jsonl").open("a") as file:
            for document in documents:
                file.write(json.dumps({"id": document.id, "kind": document.kind.value, "body": document.body}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    async def notify(self, notice: Notice, /) -> None:
        pass

    def snapshot(self) -> Body | None:
        path = self.path / "snapshot.json"
        found: Body | None = json.loads(path.read_text()) if path.exists() else None
        return found


async def main(folder: Folder, url: str) -> None:
    plan = folder.path / "playbooks.yml"
    plan.write_text(PLAYBOOK)
    actions = all_actions(supervisor=SupervisorConfig(url=url))
    healer = Healer(load_playbooks([plan], actions), actions, lambda _expression, _at: [({}, 1.0)])
    now = time.time_ns  # noqa: TID251  a process of its own, as the composition root is
    feed(healer, ["cart", "shop", "mail"], now())
    runner = PlaybookRunner(healer, folder.save, folder.write, folder.notify, now)
    await runner.start(folder.snapshot())
    if healer.journal.chain.sequence == 0:
        await runner.on_alert(Alert("cart"))
        await runner.advance()
    while any(not incident.state.ended for incident in healer.incidents.values()):
        await runner.advance()
        await asyncio.sleep(0.01)
    await runner.stop()


if __name__ == "__main__":
    asyncio.run(main(Folder(Path(sys.argv[1])), sys.argv[2]))
