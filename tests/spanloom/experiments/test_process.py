from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from spanloom.experiments.process import ROOT, Child, ChildError

OWNER = """
import asyncio, sys
from pathlib import Path
from spanloom.experiments.process import Child

async def own():
    async with Child("a server", ["http.server", "0", "--bind", "127.0.0.1"], Path(sys.argv[1]), speaks=False) as child:
        print(child.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(own())
"""


async def test_a_child_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with Child("the clerk", ["no_such_module"], tmp_path / "clerk.log") as child:
        with pytest.raises(ChildError, match=r"the clerk ended with exit code 1[\s\S]*no_such_module"):
            await child.line()


async def test_a_child_ends_when_it_is_left(tmp_path: Path) -> None:
    async with Child("a server", ["http.server", "0", "--bind", "127.0.0.1"], tmp_path / "log", speaks=False) as child:
        child.check()
    with pytest.raises(ChildError):
        child.check()


@pytest.mark.system
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_a_child_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(tmp_path / "log")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert owner.stdout is not None
    child = int(await asyncio.wait_for(owner.stdout.readline(), 60))
    os.kill(owner.pid, signal.SIGKILL)
    await owner.communicate()
    async with asyncio.timeout(60):
        while _runs(child):  # noqa: ASYNC110  # it is not our child: nothing tells of its end
            await asyncio.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
