"""All deliveries of a fleet: one for each service whose route has a plan.

Another control plane may share the store. A step is kept only where the store still has what was known here; where it has
something else, that holds, and is loaded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from governance.delivery.delivery import (
    Delivery,
    DeliveryAction,
    DeliveryState,
    Seen,
    done_by,
    following,
    restore_delivery,
)
from governance.delivery.step_watch import StepWatch
from governance.model import Target
from governance.revisions import OutdatedError
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence

    from governance.compile.site import Instance
    from governance.metrics import ControlMetrics
    from governance.model import Policies, RoutePolicy, RouteRule
    from governance.plans.delivery import DeliveryPlan
    from governance.revisions import RevisionStore
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

WHOLE = 1000
"""Of weights: thousandths."""


class Deliveries:
    """See the module.

    Args:
        store: where they are kept.
        metrics: count how they end.
        alarms: which alerts of some services have begun to fire since a time, in words; empty if none has.

    Attributes:
        stale: whether the store is known to have something else; then `restore`.
    """

    def __init__(
        self, store: RevisionStore, metrics: ControlMetrics, alarms: Callable[[Collection[str], int, int], str] | None = None
    ) -> None:
        self._store, self._metrics, self._alarms = store, metrics, alarms
        self._known: dict[str, Delivery] = {}
        self._kept: dict[str, JsonObject] = {}  # as the store has it; of what is known a reason may be newer
        self._watches: dict[str, StepWatch] = {}
        self.stale = False

    async def restore(self) -> bool:
        """Go on where the store says that they are; whether any share is another than was known."""
        before = {service: each.share for service, each in self._known.items()}
        kept = dict(await self._store.deliveries())
        for service in [each for each in self._watches if kept.get(each) != self._kept.get(each)]:
            del self._watches[service]  # of a step that is over elsewhere
        self._kept, self.stale = kept, False
        self._known = {service: restore_delivery(data) for service, data in kept.items()}
        return before != {service: each.share for service, each in self._known.items()}

    def watches(self) -> Sequence[StepWatch]:
        """The steps whose calls are to be read."""
        return list(self._watches.values())

    def states(self) -> list[JsonObject]:
        """Where each is, for people."""
        return [each.described() for _, each in sorted(self._known.items())]

    def resolved(self, policies: Policies) -> Policies:
        """Policies with a weight for each side of each plan."""
        if not any(rule.deliver for policy in policies.routes for rule in policy.rules):
            return policies
        return policies.model_copy(update={"routes": tuple(self._weighted(each) for each in policies.routes)})

    def _weighted(self, policy: RoutePolicy) -> RoutePolicy:
        rules = []
        for rule in policy.rules:
            if rule.deliver is None:
                rules.append(rule)
                continue
            update = {"deliver": None, "to": self.targets(policy.service, rule.deliver)}
            rules.append(rule.model_copy(update=update))
        return policy.model_copy(update={"rules": tuple(rules)})

    def targets(self, service: str, plan: DeliveryPlan) -> tuple[Target, Target]:
        """The old and the new instances with their weights now."""
        delivery = self._known.get(service)
        share = delivery.share if delivery is not None and delivery.plan == plan.digest else 0.0
        new = round(share * WHOLE / 100)
        return Target(labels=plan.old, weight=WHOLE - new), Target(labels=plan.new, weight=new)

    async def advance(self, policies: Policies, found: Mapping[str, Sequence[Instance]], busy: str, now: int) -> bool:
        """Do what follows now, unless another control plane did something meanwhile; whether any share has changed.

        Args:
            policies: those that all agents have.
            found: instances by service that agents stand beside.
            busy: why no step may begin; empty if one may.
            now: the time.
        """
        changed = False
        try:
            async for each in self._turns(policies, found, busy, now):
                changed = each or changed
        except OutdatedError as error:
            self.stale = True
            log.info("delivery_went_on_elsewhere", reason=str(error))
        return changed

    async def _turns(
        self, policies: Policies, found: Mapping[str, Sequence[Instance]], busy: str, now: int
    ) -> AsyncIterator[bool]:
        """Each delivery's turn: whether its share has changed."""
        plans = dict(planned(policies))
        for service in self._known.keys() - plans.keys():
            yield await self._drop(service, now)
        for service, plan in plans.items():
            delivery = self._known.get(service)
            if delivery is None or delivery.plan != plan.digest:
                had = delivery.share if delivery is not None else 0.0
                await self._become(Delivery(service, plan.digest, now), "", now)
                yield had > 0
            elif delivery.state is DeliveryState.ADVANCING:
                yield await self._step(delivery, plan, busy or _absent(policies, found, service, plan), now)

    async def _step(self, delivery: Delivery, plan: DeliveryPlan, waits: str, now: int) -> bool:
        service, seen, watch = delivery.service, Seen(), None
        if delivery.steps:
            watch = self._watches.get(service)
            if watch is None:
                watch = self._watches[service] = StepWatch(delivery, plan)
            seen = watch.seen()
            if not seen.worse and self._alarms is not None and (begun := self._alarms([service], delivery.since, now)):
                seen = seen._replace(worse=f"{begun} began to fire in step {delivery.steps}")
        after = following(delivery, plan, seen, waits, now)
        if (after.steps, after.state) == (delivery.steps, delivery.state):
            self._known[service] = after  # its reason alone
            return False
        if watch is not None:
            after = replace(after, evidence=watch.evidence())
        await self._become(after, "", now)
        return after.share != delivery.share

    async def act(self, policies: Policies, service: str, action: DeliveryAction, author: str, why: str, now: int) -> Delivery:
        """Do what a person asks for.

        Raises:
            ConfigError: there is no such delivery, that cannot be done with it now, or somebody else was first.
        """
        plan = dict(planned(policies)).get(service)
        delivery = self._known.get(service)
        if plan is None or delivery is None or delivery.plan != plan.digest:
            raise ConfigError(f"no delivery of {service[:100]!r} is in progress; see `spanloom fleet waves`")
        after = done_by(delivery, plan, action, why or f"{author} asked for it", now)
        if (watch := self._watches.get(service)) is not None and after.steps:
            after = replace(after, evidence=watch.evidence())
        try:
            await self._become(after, author, now)
        except OutdatedError as error:
            self.stale = True
            raise ConfigError(f"{action.value}: the delivery of {service} is left as it is: {error}") from error
        return after

    async def _become(self, delivery: Delivery, author: str, now: int) -> None:
        """Keep how it goes on: first in the store, for a crash."""
        service = delivery.service
        data, note = delivery.snapshot(), {**delivery.described(), "author": author}
        await self._store.keep_delivery(service, data, note, now, before=self._kept.get(service))
        self._known[service], self._kept[service] = delivery, data
        log.info(
            "delivery", service=service, state=delivery.state.value, step=delivery.steps, share=delivery.share, why=delivery.why
        )
        self._watches.pop(service, None)  # of the step before; it has not compared a call of this one
        if delivery.state in {DeliveryState.COMPLETED, DeliveryState.ROLLED_BACK}:
            self._metrics.deliveries.labels(delivery.state.value).inc()

    async def _drop(self, service: str, now: int) -> bool:
        note = {"service": service, "why": "the policies have no plan of it"}
        await self._store.keep_delivery(service, None, note, now, before=self._kept.get(service))
        self._watches.pop(service, None)
        self._kept.pop(service, None)
        return self._known.pop(service).share > 0


def _absent(policies: Policies, found: Mapping[str, Sequence[Instance]], service: str, plan: DeliveryPlan) -> str:
    """Why new instances can get no calls: there are none."""
    written = (each for entry in policies.services if entry.name == service for each in entry.endpoints)
    there = any(plan.new.items() <= each.labels.items() for each in written)
    if there or any(each.has(plan.new) for each in found.get(service, ())):
        return ""
    return f"no instance has {', '.join(f'{key}={value}' for key, value in sorted(plan.new.items()))}"


def planned(policies: Policies) -> Iterator[tuple[str, DeliveryPlan]]:
    """Each service whose calls are to move, and the plan."""
    for policy in policies.routes:
        if (rule := delivering(policy)) is not None and rule.deliver is not None:
            yield policy.service, rule.deliver


def delivering(policy: RoutePolicy) -> RouteRule | None:
    """Its rule that has a plan."""
    return next((rule for rule in policy.rules if rule.deliver is not None), None)
