"""What telemetry says of a wave: alerts of the services that the revision changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.compile.clusters import cluster_name
from governance.waves.rollout import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from alerting.alerts import StoredAlert
    from governance.model import Policies
    from governance.waves.rollout import Wave

EVERY = "*"
"""Of a policy for all services."""
NAMED = 3
"""Alerts that a reason names."""


class AlertJudge:
    """Takes a revision back when an alert of a service that it changes has begun to fire since the wave was released.

    What fired before says nothing of the revision. An alert names its service by the labels `service` and `service_namespace`.

    Args:
        alerts: those that there are, silenced ones too: a silence is for people.
    """

    def __init__(self, alerts: Callable[[], Iterable[StoredAlert]]) -> None:
        self._alerts = alerts

    def judge(self, wave: Wave, now: int) -> Judgement:
        """Back, or go."""
        if begun := self.begun(wave.services, wave.released, now):
            return Judgement(Verdict.BACK, f"since wave {wave.number} there fires {begun}")
        services = "any service" if EVERY in wave.services else ", ".join(wave.services) or "no service"
        return Judgement(Verdict.GO, f"{len(wave.with_it)} agents have it, and no alert of {services} has begun since")

    def begun(self, services: Collection[str], since: int, now: int) -> str:
        """Alerts of some services that have begun to fire since a time, in words; empty if none has."""
        found = sorted({described for alert in self._alerts() if (described := _of(alert, services, since, now))})
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return ", ".join(found[:NAMED]) + more


def _of(alert: StoredAlert, services: Collection[str], since: int, now: int) -> str:
    """The alert and its service, if it is one of these and has begun since."""
    if alert.starts_at < since or 0 < alert.ends_at <= now:
        return ""
    name, namespace = alert.labels.get("service", ""), alert.labels.get("service_namespace", "")
    service = f"{namespace}/{name}" if namespace and "/" not in name else name
    if not service or not {EVERY, service} & set(services):
        return ""
    return f"{alert.labels.get('alertname', 'an alert')} of {service}"


def changed_services(before: Policies, after: Policies) -> tuple[str, ...]:
    """The services whose policies or instances differ, `*` among them where one for all does."""
    return tuple(sorted({service for service, _ in set(_parts(before)) ^ set(_parts(after))}))


def risen_targets(before: Policies, after: Policies) -> tuple[str, ...]:
    """Clusters that get a larger share of calls in a rule than they had in any of the service: what is being delivered."""
    old, new = _shares(before), _shares(after)
    return tuple(sorted(name for name, share in new.items() if "|" in name and share > old.get(name, 0.0)))


def _shares(policies: Policies) -> dict[str, float]:
    """The largest share that a rule gives to each cluster."""
    found: dict[str, float] = {}
    for policy in policies.routes:
        for rule in policy.rules:
            whole = sum(target.weight for target in rule.to)
            for target in rule.to:
                name = cluster_name(target.service or policy.service, target.labels)
                found[name] = max(found.get(name, 0.0), target.weight / whole)
    return found


def _parts(policies: Policies) -> Iterator[tuple[str, str]]:
    for entry in policies.services:
        yield entry.name, entry.model_dump_json()
    for section, found in policies.sections():
        for policy in found:
            yield policy.service, section + policy.model_dump_json()
