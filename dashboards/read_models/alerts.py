"""Alerts as they stand, from the changes of their state that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.alert_state import AlertState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.documents import Body

_STAGES = {state.value: stage for stage, state in enumerate(AlertState)}
"""An alert's life in order: of two changes at one time the later stage is what it came to."""


def standing(changes: Iterable[Body]) -> list[Body]:
    """The last change of each alert, firing ones first, then pending ones, then those that ended; the newest first in each.

    An alert is one fingerprint from when its expression begins to hold until that ends: the next time is another.
    """
    last: dict[tuple[str, int], Body] = {}
    for change in sorted(changes, key=lambda change: (change["time"], _STAGES[change["state"]])):
        last[change["fingerprint"], change["active_at"]] = change
    rank = {AlertState.FIRING: 0, AlertState.PENDING: 1}
    return sorted(last.values(), key=lambda change: (rank.get(AlertState(change["state"]), 2), -change["time"]))


def is_open(alert: Body) -> bool:
    """Whether it fires or is about to."""
    return alert["state"] in {AlertState.PENDING, AlertState.FIRING}
