"""The last rankings of culprits. They are on no log, and after a crash rules are to see them again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pydantic import ConfigDict, TypeAdapter

from processors.assembly.watermark import SECOND
from telemetry.errors import InputError
from telemetry.findings import CulpritRanking, Suspect

if TYPE_CHECKING:
    from telemetry.documents import Body

VERSION = 1

KEPT = 300 * SECOND
"""For how long rules can see a ranking after a crash: as long as an instant selector looks back."""


_TIME = TypeAdapter(int, config=ConfigDict(strict=True))
_RANKINGS = TypeAdapter(list[tuple[int, str, list[tuple[str, float, str]]]])


class KeptRankings:
    """The rankings of the last minutes that rules have seen, and when culprits were ranked last."""

    def __init__(self) -> None:
        self.ranked_at = 0
        self._kept: deque[CulpritRanking] = deque()

    def keep(self, culprits: CulpritRanking) -> None:
        """Remember a ranking, and drop those that are too old by its time."""
        self._kept.append(culprits)
        while self._kept[0].time < culprits.time - KEPT:
            self._kept.popleft()

    def clear(self) -> None:
        """Drop them: the environment is another's."""
        self._kept.clear()

    def snapshot(self) -> Body:
        """Plain data."""
        rankings = [
            [each.time, each.opened_by, [[suspect.service, suspect.score, suspect.instance] for suspect in each.ranking]]
            for each in self._kept
        ]
        return {"version": VERSION, "ranked_at": self.ranked_at, "rankings": rankings}

    def restore(self, snapshot: Body, environment: str) -> list[CulpritRanking]:
        """Take a snapshot's rankings and give them, oldest first, without their evidence.

        Raises:
            InputError: the snapshot is of another version.
            ValueError: it is none.
        """
        if snapshot.get("version") != VERSION:
            raise InputError(f"rankings: snapshot version {snapshot.get('version')!r}; this release reads {VERSION}")
        ranked_at = _TIME.validate_python(snapshot["ranked_at"])
        self._kept = deque(
            CulpritRanking(
                time, environment, opened_by, tuple(Suspect(service, score, instance) for service, score, instance in suspects)
            )
            for time, opened_by, suspects in _RANKINGS.validate_python(snapshot["rankings"])
        )
        self.ranked_at = ranked_at
        return list(self._kept)
