"""What playbooks do to traffic and policies: each is a revision of the document that holds, released to all at once."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

import orjson
import yaml

from alerting.playbooks.actions.action import ActionError
from governance.revisions import Status
from governance.waves.rollout import WaveConfig
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from governance.control import ControlPlane
    from telemetry.json_object import JsonObject

AUTHOR = "playbook"
LABEL = "version"
"""The label of instances whose values weights are given to."""
TICK = 0.05
"""Seconds, of which a limit's time is a multiple."""
REMEMBERED = 1000
"""Revisions among which one of the same key is looked for: a call that a crash repeats comes soon."""
AT_ONCE = (WaveConfig(soak_seconds=0),)
_SCOPES = ("policies",)


class PolicySteering:
    """Implements `alerting.playbooks.actions.steering.Steering`.

    Args:
        control: the control plane; None while there is none.
    """

    def __init__(self, control: Callable[[], ControlPlane | None]) -> None:
        self._control = control

    async def set_weights(self, service: str, weights: Mapping[str, int], key: str) -> Mapping[str, int]:
        """Route what no rule with a condition takes by the label `version` of instances; returns the weights before."""

        def edit(document: JsonObject) -> object:
            before = self._delivered(service) or _weights(document, service) or self._instances(document, service)
            unknown = sorted(set(weights) - set(self._instances(document, service)))
            if unknown:
                raise ActionError(f"{service}: no instance has the label {LABEL}={unknown[0]}")
            routes = document.setdefault("routes", [])
            policy = next((each for each in routes if each["service"] == service), None)
            if policy is None:
                routes.append(policy := {"name": f"{service.replace('/', '-')}-weights", "service": service, "rules": []})
            policy["rules"] = [rule for rule in policy["rules"] if rule.get("match")]
            to = [{"labels": {LABEL: name}, "weight": weight} for name, weight in sorted(weights.items())]
            policy["rules"].append({"to": to})
            return before

        found = await self._change(edit, f"weights of {service}", key)
        return found if isinstance(found, dict) else {}

    async def set_rate_limit(self, service: str, per_second: float | None, key: str) -> float | None:
        """Limit what each instance serves; returns the limit before."""
        name = f"{service.replace('/', '-')}-playbook"

        def edit(document: JsonObject) -> object:
            limits = document.setdefault("limits", [])
            own = next((each for each in limits if each["name"] == name), None)
            before = own["requests"] / _seconds(own["per"]) if own is not None else None
            document["limits"] = [each for each in limits if each is not own]
            if per_second:
                requests = max(1, round(per_second))
                ticks = ceil(requests / per_second / TICK)
                document["limits"].append(
                    {"name": name, "service": service, "requests": requests, "per": f"{round(ticks * TICK * 1000)}ms"}
                )
            return before

        found = await self._change(edit, f"limit of {service}", key)
        return found if isinstance(found, float) else None

    async def roll_back(self, scope: str, revision: str, key: str) -> str:
        """Release the document of a revision; without one take back what is on its way, or else go to the one before."""
        control = self._plane()
        if scope not in _SCOPES:
            raise ActionError(f"config-rollback: scope {scope[:100]!r} is none of {', '.join(_SCOPES)}")
        if done := await self._done(control, key):
            return str(done[0])
        try:
            if not revision and control.rollout is not None and not control.rollout.ended:
                before = control.rollout.revision
                await control.roll_back(AUTHOR, f"a playbook asked for it: {key}")
                return before
            before = control.stable
            wanted = revision or await self._earlier(control)
            found = await control.store.get(wanted)
            if found is None:
                raise ActionError(f"config-rollback: there is no revision {wanted[:20]!r}")
            await self._publish(control, found.text, f"back to revision {found.number}", key, before)
        except ConfigError as error:
            raise ActionError(f"config-rollback: {error}") from error
        return before

    async def _change(self, edit: Callable[[JsonObject], object], what: str, key: str) -> object:
        control = self._plane()
        if done := await self._done(control, key):
            return done[0]
        current = await control.store.get(control.stable)
        document = yaml.safe_load(current.text) if current is not None else {}
        before = edit(document)
        try:
            await self._publish(control, yaml.safe_dump(document, sort_keys=False, allow_unicode=True), what, key, before)
        except ConfigError as error:
            raise ActionError(f"{what}: {error}") from error
        return before

    @staticmethod
    async def _publish(control: ControlPlane, text: str, what: str, key: str, before: object) -> None:
        comment = f"{what} ({key}) was {orjson.dumps(before).decode()}"
        await control.publish(text, what, AUTHOR, comment, AT_ONCE)

    @staticmethod
    async def _done(control: ControlPlane, key: str) -> list[object]:
        """What was before this very call, if it was made already; else empty."""
        for revision in await control.store.history(REMEMBERED):
            _, found, before = revision.comment.partition(f" ({key}) was ")
            if found and revision.author == AUTHOR and revision.status is not Status.DRAFT:
                return [orjson.loads(before)]
        return []

    @staticmethod
    async def _earlier(control: ControlPlane) -> str:
        """The newest revision that all had before the one that they have."""
        for revision in await control.store.history(REMEMBERED):
            if revision.status is Status.STABLE and revision.number != control.stable:
                return revision.number
        raise ActionError("config-rollback: there is no earlier revision")

    def _delivered(self, service: str) -> dict[str, int]:
        """The weights of now, where a plan moves calls by the label: they are in no document."""
        targets = self._plane().delivered(service)
        return {each.labels[LABEL]: each.weight for each in targets if LABEL in each.labels}

    def _plane(self) -> ControlPlane:
        control = self._control()
        if control is None:
            raise ActionError("there is no control plane here: control.enabled")
        return control

    def _instances(self, document: JsonObject, service: str) -> dict[str, int]:
        """How many instances have each value of the label: by that requests are shared where no weights are set."""
        found = Counter[str]()
        for entry in document.get("services", ()):
            if entry["name"] == service:
                found.update(
                    labels[LABEL] for each in entry.get("endpoints", ()) if LABEL in (labels := each.get("labels", {}))
                )
        for instance in self._plane().fleet.instances().get(service, ()):
            found.update(value for name, value in instance.labels if name == LABEL)
        return dict(found)


def _weights(document: JsonObject, service: str) -> dict[str, int]:
    """Those of the rule without a condition."""
    for policy in document.get("routes", ()):
        if policy["service"] == service and policy["rules"] and not policy["rules"][-1].get("match"):
            to = policy["rules"][-1].get("to", ())
            return {each["labels"][LABEL]: each.get("weight", 1) for each in to if LABEL in each.get("labels", {})}
    return {}


def _seconds(per: str) -> float:
    return float(per.removesuffix("ms")) / 1000
