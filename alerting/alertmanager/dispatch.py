"""Groups of alerts and when to notify: the dispatcher and the notification log, as in Alertmanager.

Time is passed in. A group waits `group_wait` after its first alert, then looks again every `group_interval`; an integration
is notified when something changed for it, or after `repeat_interval`. What was notified is in the notification log, which is
written when a delivery is settled: so a notification that failed is tried again at the next look, and none is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.alerts import stored_alert
from alerting.notify.notification import Integration, Notification
from components.durations import HOUR, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerting.alertmanager.routes import Route
    from alerting.alerts import StoredAlert
    from alerting.promql.vectors import Labels
    from telemetry.json_object import JsonObject

KEEP_LOG = 120 * HOUR
"""How long the notification log remembers what was notified of a group without alerts."""
LEAST_TRIES = 10 * SECOND
"""How long a delivery is tried at least, however short the group's interval."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an alert was suppressed in a notification: by an inhibition, a silence or a time interval, and which."""

    alert: StoredAlert
    by: str
    reason: str
    path: tuple[str, ...] = ()  # services from the alert's own to the culprit's, where the call graph was the reason
    until: int = 0  # when that ends at the latest, ns, where the culprit has resolved


Muted = Callable[["StoredAlert", "Route", int], "Suppression | None"]
"""Whether an alert on a route is suppressed at a time."""


@dataclass(slots=True)
class _Group:
    route: Route
    labels: Labels
    flush_at: int
    alerts: dict[str, StoredAlert] = field(default_factory=dict)


@dataclass(slots=True)
class _Notified:
    """The last notification of a group to an integration."""

    time: int
    firing: frozenset[str]
    resolved: frozenset[str]

    def needs_update(
        self, firing: frozenset[str], resolved: frozenset[str], repeat: int, now: int, *, send_resolved: bool
    ) -> bool:
        """Alertmanager's DedupStage.needsUpdate."""
        if not firing <= self.firing:
            return True
        if not firing:
            return bool(self.firing)
        if send_resolved and not resolved <= self.resolved:
            return True
        return self.time < now - repeat


@dataclass(frozen=True, slots=True)
class Flush:
    """Result of one flush of the due groups."""

    notifications: list[Notification]
    suppressions: list[Suppression]


class AlertGroups:
    """The groups of one routing tree.

    Args:
        root: the tree.
        integrations: of each receiver, by its name.
        muted: see `Muted`.
        grouped_by: labels that are part of every group, whatever the routes say.
    """

    def __init__(
        self,
        root: Route,
        integrations: Mapping[str, Sequence[Integration]],
        muted: Muted,
        grouped_by: frozenset[str] = frozenset(),
    ) -> None:
        self._grouped_by = grouped_by
        self._root = root
        self._integrations = integrations
        self._muted = muted
        self._groups: dict[tuple[str, str], _Group] = {}
        self._log: dict[tuple[str, str], _Notified] = {}
        self._in_flight: dict[tuple[str, str], Notification] = {}
        self._doubtful: dict[tuple[str, str], frozenset[str]] = {}  # notified as firing before a crash, or not
        self._not_before: dict[str, int] = {}  # integrations whose receiver asked for a pause, and until when

    def __len__(self) -> int:
        return len(self._groups)

    def put(self, alert: StoredAlert, now: int) -> None:
        """Take a new or changed alert into the groups of its routes. A resolved one that no group knows is left aside."""
        for route in self._root.match(alert.labels):
            labels = route.group(alert.labels, self._grouped_by)
            name = (route.receiver, route.group_key(labels))
            group = self._groups.get(name)
            if group is None:
                if alert.resolved(now):
                    continue
                waited = alert.starts_at + route.group_wait <= now
                group = self._groups[name] = _Group(route, labels, now if waited else now + route.group_wait)
            group.alerts[alert.fingerprint] = alert

    def flush(self, now: int) -> Flush:
        """Flush the groups that are due: what to send, and what was suppressed."""
        result = Flush([], [])
        for (receiver, key), group in list(self._groups.items()):
            if group.flush_at > now:
                continue
            group.flush_at = now + group.route.group_interval
            audible = []
            for alert in sorted(group.alerts.values(), key=lambda alert: sorted(alert.labels.items())):
                suppression = self._muted(alert, group.route, now)
                if suppression is None:
                    audible.append(alert)
                else:
                    result.suppressions.append(suppression)
            if audible:
                for integration in self._integrations.get(receiver, ()):
                    self._notify(key, group, integration, audible, now, result.notifications)
            self._drop_resolved(receiver, key, group, now)
        self._prune(now)
        return result

    def _notify(
        self, key: str, group: _Group, integration: Integration, alerts: list[StoredAlert], now: int, out: list[Notification]
    ) -> None:
        name = (key, integration.id)
        if name in self._in_flight or self._not_before.get(integration.id, 0) > now:
            return
        firing = tuple(alert for alert in alerts if not alert.resolved(now))
        resolved = tuple(alert for alert in alerts if alert.resolved(now))
        prints = frozenset(alert.fingerprint for alert in firing)
        resolved_prints = frozenset(alert.fingerprint for alert in resolved)
        notified = self._log.get(name)
        if name in self._doubtful:
            pass  # once more: under the same key if nothing has changed, else the receiver may believe what is over
        elif notified is None:
            if not firing:
                return
        elif not notified.needs_update(
            prints, resolved_prints, group.route.repeat_interval, now, send_resolved=integration.send_resolved
        ):
            return
        if not firing and not integration.send_resolved:
            self._doubtful.pop(name, None)
            self._log[name] = _Notified(now, prints, resolved_prints)  # nothing to say, but a new fire is news again
            return
        deadline = max(group.route.group_interval, LEAST_TRIES)
        notification = Notification(
            integration, key, dict(group.labels), firing, resolved, now, deadline, notified.time if notified else 0
        )
        self._in_flight[name] = notification
        out.append(notification)

    def settle(self, notification: Notification, now: int, *, delivered: bool, not_before: int = 0) -> None:
        """A delivery has ended. Only a success is logged. The integration gets no notification before `not_before`."""
        name = (notification.group_key, notification.integration.id)
        if self._in_flight.pop(name, None) is None:
            return
        if not delivered:
            self._not_before[name[1]] = max(not_before, self._not_before.get(name[1], 0))
            return
        self._doubtful.pop(name, None)
        self._log[name] = _Notified(
            now,
            frozenset(alert.fingerprint for alert in notification.firing),
            frozenset(alert.fingerprint for alert in notification.resolved),
        )
        group_name = (notification.integration.receiver, notification.group_key)
        group = self._groups.get(group_name)
        if group is not None:
            self._drop_resolved(*group_name, group, now)

    def _drop_resolved(self, receiver: str, key: str, group: _Group, now: int) -> None:
        """Drop resolved alerts of which every integration was notified, or none."""
        names = [(key, integration.id) for integration in self._integrations.get(receiver, ())]
        if any(name in self._in_flight for name in names):
            return
        believed = [self._log[name].firing for name in names if name in self._log]
        believed += [self._doubtful[name] for name in names if name in self._doubtful]
        for identity, alert in list(group.alerts.items()):
            is_over = 0 < alert.ends_at < now - KEEP_LOG  # muted ever since it ended
            if alert.resolved(now) and (is_over or not any(identity in firing for firing in believed)):
                del group.alerts[identity]
        if not group.alerts:
            del self._groups[receiver, key]

    def _prune(self, now: int) -> None:
        live = {key for _, key in self._groups}
        for name in [name for name, notified in self._log.items() if name[0] not in live and notified.time < now - KEEP_LOG]:
            del self._log[name]
        self._not_before = {name: time for name, time in self._not_before.items() if time > now}

    def next_flush(self) -> int | None:
        """When the next group is due, ns; None without groups."""
        return min((group.flush_at for group in self._groups.values()), default=None)

    def members(self) -> Iterable[tuple[Route, str, Labels, Sequence[StoredAlert]]]:
        """Every group: route, key, labels, alerts."""
        for (_, key), group in self._groups.items():
            yield group.route, key, group.labels, list(group.alerts.values())

    def snapshot(self) -> JsonObject:
        """Groups and notification log as plain data. What is in flight is sent again after a restart, under the same key.

        So it has to be durable before what `flush` gave is sent.
        """
        doubtful = dict(self._doubtful)
        for name, notification in self._in_flight.items():
            firing = frozenset(alert.fingerprint for alert in notification.firing)
            doubtful[name] = doubtful.get(name, frozenset()) | firing
        return {
            "groups": [
                [group.route.receiver, key, group.flush_at, [alert.body() for alert in group.alerts.values()]]
                for (_, key), group in self._groups.items()
            ],
            "doubtful": [[*name, sorted(firing)] for name, firing in doubtful.items()],
            "log": [
                [*name, notified.time, sorted(notified.firing), sorted(notified.resolved)]
                for name, notified in self._log.items()
            ],
            "not_before": dict(self._not_before),
        }

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot; alerts find their groups by the routes as they are now."""
        self._groups.clear()
        self._in_flight.clear()
        self._log = {
            (key, integration): _Notified(time, frozenset(firing), frozenset(resolved))
            for key, integration, time, firing, resolved in state["log"]
        }
        self._doubtful = {(key, integration): frozenset(firing) for key, integration, firing in state["doubtful"]}
        self._not_before = dict(state.get("not_before", {}))
        for receiver, key, flush_at, bodies in state["groups"]:
            for alert in map(stored_alert, bodies):
                for route in self._root.match(alert.labels):
                    labels = route.group(alert.labels, self._grouped_by)
                    if (route.receiver, route.group_key(labels)) == (receiver, key):
                        group = self._groups.setdefault((receiver, key), _Group(route, labels, flush_at))
                        group.alerts[alert.fingerprint] = alert
