"""Inhibition: alerts that are muted while others fire, by labels or along the call graph.

https://prometheus.io/docs/alerting/latest/configuration/#inhibit_rule
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.promql.matchers import Matcher, all_match
from components.durations import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerting.alerts import StoredAlert

MAX_EDGES = 50_000
"""Most live edges kept; beyond, the ones seen longest ago are evicted."""


AFTERWARDS = 2 * MINUTE
"""For how long a culprit that resolved explains its callers' alerts, by default."""


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """While an alert of `source` fires, those of `target` with equal values in `equal` are muted.

    An alert that is both source and target never mutes another that is both.
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopologyRule:
    """While an alert of `culprit` fires, alerts of `target` on services that call its service, at any distance, are muted.

    Culprits too: of two that both fire, the one that is called explains the other. Those that call each other in a circle
    do not. `label` names the service in the labels of both.

    What callers' expressions look back on holds the fault for a while after its end. So a culprit that resolved explains
    them for `afterwards` nanoseconds more, but no culprit that began to fire later.
    """

    culprit: tuple[Matcher, ...]
    label: str = "service"
    target: tuple[Matcher, ...] = ()
    afterwards: int = AFTERWARDS


@dataclass(frozen=True, slots=True)
class Explained:
    """By which culprit, along which calls, and until when at the latest where the culprit has resolved (ns), else 0."""

    culprit: StoredAlert
    path: tuple[str, ...]
    until: int = 0


@dataclass(slots=True)
class CallPaths:
    """The live edges of the call graph: who called whom within `keep` nanoseconds."""

    keep: int
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    _callees: dict[str, set[str]] = field(default_factory=dict)

    def add(self, edges: Iterable[tuple[str, str]], now: int) -> None:
        """Take edges (caller, callee) as seen at a time; those not seen for long go."""
        for edge in edges:
            self._seen.pop(edge, None)
            self._seen[edge] = now  # the order is that of the last sight
        oldest = list(self._seen.items())[: max(0, len(self._seen) - MAX_EDGES)]
        for edge, _ in oldest:
            del self._seen[edge]
        for edge in [edge for edge, seen in self._seen.items() if seen < now - self.keep]:
            del self._seen[edge]
        self._callees = {}
        for caller, callee in self._seen:
            self._callees.setdefault(caller, set()).add(callee)

    def path(self, caller: str, callees: frozenset[str]) -> tuple[str, ...]:
        """The shortest way of calls from a service to one of the callees, both ends in it; empty without one."""
        came: dict[str, str] = {caller: ""}
        ahead = deque([caller])
        while ahead:
            service = ahead.popleft()
            for callee in sorted(self._callees.get(service, ())):
                if callee in came:
                    continue
                came[callee] = service
                if callee in callees:
                    way = [callee]
                    while came[way[-1]]:
                        way.append(came[way[-1]])
                    return tuple(reversed(way))
                ahead.append(callee)
        return ()

    def beneath(self, service: str, others: frozenset[str]) -> tuple[str, ...]:
        """The way to one of the others that is called by the service, however far, and does not call it back; else empty."""
        path = self.path(service, others)
        while path and self.path(path[-1], frozenset({service})):
            others -= {path[-1]}
            path = self.path(service, others)
        return path

    def snapshot(self) -> list[list[str | int]]:
        """Plain data."""
        return [[caller, callee, seen] for (caller, callee), seen in self._seen.items()]

    def restore(self, state: list[list[str | int]]) -> None:
        """Take a snapshot's edges in place of what is held."""
        self._seen = {(str(caller), str(callee)): int(seen) for caller, callee, seen in state}
        self.add((), max(self._seen.values(), default=0))


class Inhibition:
    """What the alerts of one time mute. Indexed, as there may be thousands of them.

    Args:
        rules: by labels.
        topology: along calls.
        calls: the live edges.
        held: every alert, those that resolved lately too.
        now: the moment, ns.
    """

    def __init__(
        self,
        rules: Iterable[InhibitRule],
        topology: Iterable[TopologyRule],
        calls: CallPaths,
        held: Iterable[StoredAlert],
        now: int,
    ) -> None:
        every = list(held)
        alerts = [alert for alert in every if not alert.resolved(now)]
        self._calls = calls
        self._now = now
        self._sources: list[tuple[InhibitRule, dict[tuple[str, ...], list[StoredAlert]]]] = []
        for rule in rules:
            sources: dict[tuple[str, ...], list[StoredAlert]] = {}
            for alert in alerts:
                if all_match(rule.source, alert.labels):
                    sources.setdefault(_values(rule, alert.labels), []).append(alert)
            self._sources.append((rule, sources))
        self._culprits = []
        for topology_rule in topology:
            lately = _lately(topology_rule, every, now)
            self._culprits.append((topology_rule, self._deepest(topology_rule, alerts, lately), lately))
        self._paths: dict[tuple[int, str, bool], tuple[str, ...]] = {}

    def _deepest(
        self, rule: TopologyRule, alerts: Iterable[StoredAlert], lately: Mapping[str, StoredAlert]
    ) -> dict[str, StoredAlert]:
        """The culprits by service, without those that another one explains."""
        all_ = {alert.labels.get(rule.label, ""): alert for alert in alerts if all_match(rule.culprit, alert.labels)}
        found = {}
        for service, alert in all_.items():
            past = {other for other, ended in lately.items() if alert.starts_at <= ended.ends_at}
            if not self._calls.beneath(service, frozenset((all_.keys() | past) - {service})):
                found[service] = alert
        return found

    def by(self, alert: StoredAlert) -> tuple[tuple[str, ...], Explained | None]:
        """The fingerprints of the alerts that mute this one, sorted, and the culprit that explains it, if one does."""
        muting: set[str] = set()
        for rule, sources in self._sources:
            if not sources or not all_match(rule.target, alert.labels):
                continue
            both = all_match(rule.source, alert.labels)
            muting.update(
                source.fingerprint
                for source in sources.get(_values(rule, alert.labels), ())
                if not (both and all_match(rule.target, source.labels))
            )
        explained = self.explained(alert)
        if explained is not None:
            muting.add(explained.culprit.fingerprint)
        return tuple(sorted(muting)), explained

    def explained(self, alert: StoredAlert) -> Explained | None:
        """By the culprit that the alert's service calls: one that fires, else one that resolved lately."""
        for i, (rule, culprits, lately) in enumerate(self._culprits):
            service = alert.labels.get(rule.label, "")
            if not service or service in culprits or not all_match(rule.target, alert.labels):
                continue
            path = self._path(i, service, culprits)
            if path:
                return Explained(culprits[path[-1]], path)
            path = self._path(i, service, lately)
            if not path or service in lately or alert.resolved(self._now):
                continue
            past = lately[path[-1]]
            if not (all_match(rule.culprit, alert.labels) and alert.starts_at > past.ends_at):
                return Explained(past, path, past.ends_at + rule.afterwards)
        return None

    def _path(self, rule: int, service: str, culprits: Mapping[str, StoredAlert]) -> tuple[str, ...]:
        key = (rule, service, culprits is self._culprits[rule][1])
        if key not in self._paths:
            self._paths[key] = self._calls.path(service, frozenset(culprits))
        return self._paths[key]

    def is_culprit(self, alert: StoredAlert) -> bool:
        """Whether the alert is a culprit by a rule."""
        return any(all_match(rule.culprit, alert.labels) for rule, _, _ in self._culprits)


def _lately(rule: TopologyRule, alerts: Iterable[StoredAlert], now: int) -> dict[str, StoredAlert]:
    """The last culprit of each service among those that resolved and still explain."""
    found: dict[str, StoredAlert] = {}
    for alert in sorted(alerts, key=lambda alert: alert.ends_at):
        if alert.resolved(now) and now < alert.ends_at + rule.afterwards and all_match(rule.culprit, alert.labels):
            found[alert.labels.get(rule.label, "")] = alert
    return found


def _values(rule: InhibitRule, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in rule.equal)
