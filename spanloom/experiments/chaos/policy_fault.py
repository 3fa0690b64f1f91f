"""A fault that Envoy injects: a policy of the control plane, with an end time that holds whatever becomes of who asked."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import yaml

from components.durations import SECOND
from spanloom.api_client import ApiError
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spanloom.clock import Now
    from spanloom.control_client import ControlClient
    from spanloom.experiments.chaos.experiment import HttpSpec
    from telemetry.json_object import JsonObject

NAME: Final = "chaos-run"
"""Of the policy. One that a run left that was killed is replaced."""
STATUS = 503
"""Of requests that are aborted."""
CHANGE_SECONDS = 90.0
"""How long a change may need, others that are on their way included."""
TRIES = 3
"""To make a change, where others make theirs."""
POLL_SECONDS = 0.2
NONE = "0"
"""The number of the revision before the first."""


class PolicyFaultError(SpanloomError):
    """The control plane, or an agent, does not take the fault."""


@asynccontextmanager
async def policy_fault(spec: HttpSpec, lasts: int, control: ControlClient, now: Now) -> AsyncIterator[None]:
    """All agents of the service inject it on entering. On leaving, and `lasts` ns after entering at the latest, none does.

    Raises:
        PolicyFaultError: no agent stands beside the service, or one refuses the policy.
        ApiError: the control plane refuses it, or does not answer.
    """
    service = spec.selector.service
    if not any(each["service"] == service and each["connected"] for each in (await control.fleet())["agents"]):
        raise PolicyFaultError(f"no agent stands beside {service!r}: Envoy injects faults only into services behind it")
    try:
        await _become(control, fault_policy(spec, now() + lasts), f"fault of {service}")
        yield
    finally:
        await _become(control, None, f"fault of {service} ends")


def fault_policy(spec: HttpSpec, until: int) -> JsonObject:
    """The policy, whose end time is `until`, rounded up to a second."""
    ends = datetime.fromtimestamp(0, UTC) + timedelta(seconds=-(-until // SECOND))
    share = f"{spec.percent:g}%"
    what: JsonObject = {"delay": {"duration": f"{-(-spec.delay // 10**6)}ms", "share": share}}
    if spec.abort:
        what = {"abort": {"status": STATUS, "share": share}}
    return {"name": NAME, "service": spec.selector.service, "until": ends.strftime("%Y-%m-%dT%H:%M:%SZ"), **what}


async def _become(control: ControlClient, fault: JsonObject | None, comment: str) -> None:
    """Release the policies of now with this fault and no other of ours, and wait until all agents have them.

    Whatever else is changed meanwhile stays: who was first is seen, and the change is made to what then holds.
    """
    give_up, tries = time.monotonic() + CHANGE_SECONDS, TRIES
    while True:
        await _until_settled(control, give_up)
        stable = str((await control.history(1))["stable"])
        text = "" if stable == NONE else (await control.document(stable))["text"]
        document: JsonObject = yaml.safe_load(text) or {}
        before = document.get("faults") or []
        faults = [each for each in before if each["name"] != NAME] + ([fault] if fault else [])
        if faults == before:
            return
        document["faults"] = faults
        try:
            revision = await control.publish(yaml.safe_dump(document, sort_keys=False), f"{NAME}.yml", comment)
        except ApiError:
            tries -= 1
            if not tries:
                raise
            continue  # somebody else may have been faster
        await _until_settled(control, give_up)
        rollout = (await control.fleet())["rollout"]
        if rollout["revision"] == revision["number"] and rollout["state"] != "done":
            raise PolicyFaultError(f"{comment}: the revision is {rollout['state']}: {rollout['why']}")
        return


async def _on_its_way(control: ControlClient) -> bool:
    rollout = (await control.fleet())["rollout"]
    return rollout is not None and rollout["state"] in {"applying", "soaking"}


async def _until_settled(control: ControlClient, give_up: float) -> None:
    while await _on_its_way(control):
        if time.monotonic() > give_up:
            raise PolicyFaultError(f"a revision is on its way for more than {CHANGE_SECONDS:.0f} s; see `spanloom fleet waves`")
        await asyncio.sleep(POLL_SECONDS)
