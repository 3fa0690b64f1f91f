"""A table whose cells know how to sort, what to show, and where to lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import ui

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.json_object import JsonObject

ROWS_A_PAGE = 25

_CELL = """
<q-td :props="props">
  <template v-for="cell in [props.row[props.col.name]]">
    <a v-if="cell.href" :href="cell.href" :class="cell.tone">{{ cell.text }}</a>
    <span v-else :class="cell.tone">{{ cell.text }}</span>
  </template>
</q-td>
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Numbers are best aligned to the right."""

    name: str
    label: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell sorts by, shows and leads to.

    `text` is shown in place of the value. `tone` are classes of the style sheet: `good`, `warn`, `bad`, `quiet`, `mono`,
    `tag`, `line`.
    """

    value: str | float | None
    text: str = ""
    href: str = ""
    tone: str = ""

    def plain(self) -> JsonObject:
        """The cell as the browser gets it."""
        return {
            "value": self.value,
            "text": self.text or ("—" if self.value in {None, ""} else str(self.value)),
            "href": self.href,
            "tone": self.tone,
        }


Row = tuple[str, "Mapping[str, Cell]"]
"""A key that no other row has, and the cells by column."""


class Table:
    """A table with a name for screen readers, and what to say instead where there are no rows.

    Args:
        label: what the rows are.
        columns: in order.
        empty: why there may be no rows and what to do about it.
    """

    def __init__(self, label: str, columns: Sequence[Column], empty: str) -> None:
        self._columns = columns
        self._table = (
            ui.table(
                columns=[
                    {
                        "name": column.name,
                        "label": column.label,
                        ":field": f"row => row.{column.name}.value",
                        "align": "right" if column.right else "left",
                        "sortable": True,
                    }
                    for column in columns
                ],
                rows=[],
                row_key="key",
                pagination=ROWS_A_PAGE,
            )
            .props(f'flat dense wrap-cells role=region aria-label="{label}"')
            .classes("sheet")
        )
        self._table.add_slot("body-cell", _CELL)
        self._table.visible = False
        self._empty = ui.label(empty).classes("empty")
        self._empty.visible = False

    def show(self, rows: Sequence[Row]) -> None:
        """Put these rows in place of what was shown; sorting and page stay."""
        plain = [{"key": key} | {name: cell.plain() for name, cell in cells.items()} for key, cells in rows]
        self._table.visible = bool(rows)
        self._empty.visible = not rows
        if plain != self._table.rows:
            self._table.rows = plain
        self._table.props["hide-pagination"] = len(rows) <= ROWS_A_PAGE
