"""Random histories of alerts, deliveries that fail, and crashes: what the receiver believes in the end is true."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert_state import fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alerts import StoredAlert
from alerting.notify.sender import Delivery
from components.durations import MINUTE, SECOND
from spanloom.components import NOTIFIERS

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

START = 1_700_000_000 * SECOND
CONFIG = """
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 24h}
receivers: [{name: team, webhook_configs: [{url: "http://x"}]}]
"""


@dataclass
class Receiver:
    """Knows each notification by its key, as the header asks it to."""

    believed: dict[str, str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    doubled: int = 0

    def take(self, notification: Notification) -> None:
        if notification.key in self.taken:
            self.doubled += 1
            return
        self.taken.append(notification.key)
        for held in notification.firing:
            self.believed[held.labels["service"]] = "firing"
        for held in notification.resolved:
            self.believed[held.labels["service"]] = "resolved"


def alert(service: str, starts: int, ends: int = 0) -> StoredAlert:
    labels = {"alertname": "Slow", "service": service}
    return StoredAlert(labels, {}, starts, ends, max(starts, ends), fingerprint=fingerprint(labels))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.sampled_from("ab")),
        st.tuples(st.just("resolve"), st.sampled_from("ab")),
        st.tuples(st.just("pass"), st.sampled_from((5, 30, 61, 300))),
        st.tuples(st.just("crash"), st.booleans()),  # whether what was in flight had reached the receiver
        st.tuples(st.just("receiver"), st.booleans()),  # up or down
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(EVENTS)
def test_in_the_end_the_receiver_believes_what_is_so(  # noqa: C901  # one case an event
    events: list[tuple[str, str | int | bool]],
) -> None:
    manager, receiver = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS)), Receiver()
    now, up = START, True
    since: dict[str, int] = {}
    fired: set[str] = set()

    def step() -> list[Notification]:
        """What the stage does each tick: look, save, send."""
        return manager.advance(now).notifications

    def settle(sent: list[Notification]) -> None:
        for notification in sent:
            if up:
                receiver.take(notification)
            manager.settle(Delivery(notification, delivered=up, attempts=1, time=now))

    for event, value in events:
        match event:
            case "fire":
                service = str(value)
                if service not in since:
                    since[service] = now
                    fired.add(service)
                    manager.put(alert(service, now), now)
            case "resolve":
                service = str(value)
                if service in since:
                    manager.put(alert(service, since.pop(service), now), now)
            case "pass":
                now += int(value) * SECOND
                settle(step())
            case "crash":
                now += MINUTE
                lost = step()
                saved = json.loads(json.dumps(manager.snapshot()))
                for notification in lost if value else ():
                    receiver.take(notification)
                manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
                manager.restore(saved)
            case _:
                up = bool(value)
    up = True
    for _ in range(5):
        now += 2 * MINUTE
        settle(step())
    assert {service for service, state in receiver.believed.items() if state == "firing"} == set(since)
    assert set(receiver.believed) <= fired
    assert len(manager.groups) == (1 if since else 0)
    reported = len(receiver.taken)
    now += 2 * MINUTE
    settle(step())
    assert len(receiver.taken) == reported, "nothing new, nothing told"
