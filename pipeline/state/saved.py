"""The tables of stages as their changelogs have them, read by no application: what a start would find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.state.table import StageTable

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Changelog:
    def __init__(self, topic: str) -> None:
        self._topic = topic

    def get_topic_name(self) -> str:
        return self._topic


class _Rows:
    def __init__(self, topic: str) -> None:
        self.data: dict[bytes, bytes] = {}
        self.changelog_topic = _Changelog(topic)


class SavedTable(StageTable):
    """A table with the newest value of each key of a changelog. It cannot be saved to.

    Args:
        topic: of the changelog.
        records: key and value of each record, in their order.
    """

    def __init__(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        self._written_at: dict[object, int] = {}
        self._table = rows = _Rows(topic)
        for key, value in records:
            if value is None:
                rows.data.pop(key or b"", None)
            else:
                rows.data[key or b""] = value

    def names(self) -> dict[int, list[str]]:
        """By partition the first part of the name of each row, each once; that of an environment is part of it."""
        found: dict[int, dict[str, None]] = {}
        for key in self._table.data:
            partition, _, name = key.decode(errors="replace").partition("/")
            environment, separator, own = name.rpartition("/") if name.startswith("environment:") else ("", "", name)
            if partition.isdecimal():
                found.setdefault(int(partition), {})[f"{environment}{separator}{own}"] = None
        return {partition: list(names) for partition, names in found.items()}
