"""A notification: what one integration of a receiver gets for one group of alerts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from components.secrets import SECRETS
from telemetry.documents import digest, timestamp
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.alerts import StoredAlert
    from telemetry.json_object import JsonObject

ZERO_TIME = "0001-01-01T00:00:00Z"
"""What Alertmanager writes for a time that is not there."""


class DeliveryError(SpanloomError):
    """A receiver did not take a notification.

    Args:
        reason: what it said; kept without secrets.
        retry: whether trying again may help.
        retry_after: seconds that the receiver asked to wait, 0 if it did not.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after: float = 0) -> None:
        super().__init__(SECRETS.mask(reason))
        self.retry = retry
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Integration:
    """One way to reach a receiver: `webhook`, the second of the receiver `team`, is `team/webhook[1]`."""

    receiver: str
    kind: str
    index: int = 0
    send_resolved: bool = True

    @property
    def id(self) -> str:
        """Its name among all."""
        return f"{self.receiver}/{self.kind}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Notification:
    """Alerts of one group for one integration. Times in nanoseconds; `retry_period` is how long it is worth trying."""

    integration: Integration
    group_key: str
    group_labels: Mapping[str, str]
    firing: tuple[StoredAlert, ...]
    resolved: tuple[StoredAlert, ...]
    time: int
    retry_period: int
    previous: int = 0  # when the group was last notified: distinguishes a repetition from a retry
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts = [self.group_key, self.integration.id, str(self.previous)]
        parts += [f"+{alert.fingerprint}{alert.starts_at}" for alert in self.firing]
        parts += [f"-{alert.fingerprint}{alert.ends_at}" for alert in self.resolved]
        object.__setattr__(self, "key", digest(*parts))

    def with_firing(self, firing: tuple[StoredAlert, ...]) -> Notification:
        """The same with other texts in its alerts; the key stays."""
        return replace(self, firing=firing)

    @property
    def status(self) -> str:
        """`firing` while any alert does."""
        return "firing" if self.firing else "resolved"

    @property
    def alerts(self) -> tuple[StoredAlert, ...]:
        """Firing ones first; resolved ones only for who wants them."""
        return self.firing + self.resolved if self.integration.send_resolved else self.firing


class Notifier(Protocol):
    """Sends notifications to one place."""

    async def send(self, notification: Notification) -> None:
        """Deliver.

        Raises:
            DeliveryError: it was not accepted.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Safe twice."""
        ...


def common(maps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The pairs that all of them have."""
    if not maps:
        return {}
    first, *rest = maps
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in rest)}


def template_data(notification: Notification, external_url: str, limit: int = 0) -> JsonObject:
    """The data of a notification as webhooks and templates have them, in Alertmanager's webhook format, version 4.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    alerts = notification.alerts
    shown = alerts[:limit] if limit else alerts
    firing = len(notification.firing)  # they come first
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(shown),
        "status": notification.status,
        "receiver": notification.integration.receiver,
        "groupLabels": dict(notification.group_labels),
        "commonLabels": common([alert.labels for alert in alerts]),
        "commonAnnotations": common([alert.annotations for alert in alerts]),
        "externalURL": external_url,
        "alerts": [alert_body(alert, firing=i < firing) for i, alert in enumerate(shown)],
    }


def alert_body(alert: StoredAlert, *, firing: bool) -> dict[str, object]:
    """One alert of the webhook format."""
    return {
        "status": "firing" if firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": timestamp(alert.starts_at),
        "endsAt": ZERO_TIME if firing else timestamp(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }
