"""Compiled snapshots that are kept: agents at equal places share one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from governance.compile.site import Site
    from governance.xds.snapshot import Snapshot

MAX_SNAPSHOTS = 2000
"""Past it the one used longest ago goes."""


class SnapshotCache:
    """By revision, place, and generation of what else they depend on."""

    def __init__(self, most: int = MAX_SNAPSHOTS) -> None:
        self._most = most
        self._snapshots: OrderedDict[tuple[str, Site, int], Snapshot] = OrderedDict()

    def get(self, revision: str, site: Site, generation: int, make: Callable[[Site], Snapshot]) -> Snapshot:
        """The snapshot for a place, made where it is not kept. The place has only those labels that change something of it."""
        key = (revision, site, generation)
        found = self._snapshots.get(key)
        if found is None:
            found = make(site)
            while len(self._snapshots) >= self._most:
                self._snapshots.popitem(last=False)
            self._snapshots[key] = found
        self._snapshots.move_to_end(key)
        return found
