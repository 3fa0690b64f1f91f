"""The policies of the revisions that agents have, or are about to get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.files import read_policies
from governance.model import Policies
from governance.revisions import EMPTY

if TYPE_CHECKING:
    from collections.abc import Collection

    from governance.revisions import Revision


class Documents:
    """By number of the revision; the empty one is always there."""

    def __init__(self) -> None:
        self._policies: dict[str, Policies] = {EMPTY: Policies()}
        self._digests: dict[str, str] = {}

    def __getitem__(self, number: str) -> Policies:
        """Those of a revision that was added."""
        return self._policies[number]

    def digest(self, number: str) -> str:
        """Of the text of a revision that was added."""
        return self._digests[number]

    def add(self, revision: Revision, policies: Policies) -> None:
        """Have those of a revision, which were read."""
        self._policies[revision.number], self._digests[revision.number] = policies, revision.digest

    def read(self, revision: Revision) -> None:
        """Have those of a revision of the store."""
        if revision.number not in self._policies:
            empty = not revision.text.strip()  # is refused today, and was kept once
            self.add(revision, Policies() if empty else read_policies(revision.text, f"revision {revision.number}"))

    def keep_only(self, numbers: Collection[str]) -> None:
        """Drop those of others."""
        for number in self._policies.keys() - {EMPTY, *numbers}:
            del self._policies[number]
            self._digests.pop(number, None)
