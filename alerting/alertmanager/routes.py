"""The routing tree: which receivers are notified of an alert, and how their notifications are grouped and timed.

https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.promql.matchers import all_match
from components.durations import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels

GROUP_WAIT = 30 * SECOND
GROUP_INTERVAL = 5 * MINUTE
REPEAT_INTERVAL = 4 * HOUR
ALL_LABELS = "..."
"""As the only name in `group_by`: every alert is a group of its own."""


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree; what a child leaves open it has from its parent. Durations in nanoseconds."""

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_by: frozenset[str] = frozenset()
    group_wait: int = GROUP_WAIT
    group_interval: int = GROUP_INTERVAL
    repeat_interval: int = REPEAT_INTERVAL
    continues: bool = False
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    key: str = "{}"  # its own and its parents' matchers: what tells it from others

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes of an alert: at each node the first child that matches, more where one continues."""
        if not all_match(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.routes:
            matched = child.match(labels)
            found.extend(matched)
            if matched and not child.continues:
                break
        return found or [self]

    def group(self, labels: Mapping[str, str], always: frozenset[str] = frozenset()) -> Labels:
        """The labels of the alert's group: those of `group_by` that the alert has, and of `always`."""
        names = labels.keys() if ALL_LABELS in self.group_by else self.group_by | always
        return tuple(sorted((name, value) for name, value in labels.items() if name in names))

    def group_key(self, group: Labels) -> str:
        """The group's name, as Alertmanager writes it."""
        return f"{self.key}:{{" + ", ".join(f'{name}="{_escaped(value)}"' for name, value in group) + "}"

    def walk(self) -> Iterator[Route]:
        """This route and all below, parents first."""
        yield self
        for child in self.routes:
            yield from child.walk()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
