"""State that is larger than a record, over crashes at every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state import chunked
from pipeline.state.chunked import LargeState
from telemetry.errors import InputError
from tests.pipeline.test_act import Table

if TYPE_CHECKING:
    from telemetry.documents import Body


class CrashError(Exception):
    pass


class Crashing(Table):
    """A table in a process that is killed after so many rows."""

    rows = 1_000_000
    largest = 0

    async def save(self, partition: int, name: str, value: Body) -> None:
        if self.rows == 0:
            raise CrashError
        self.rows -= 1
        await super().save(partition, name, value)
        self.largest = max(self.largest, len(self._values[partition, name]))


def value(size: int, mark: int) -> Body:
    """One that does not compress well."""
    return {"mark": mark, "items": [f"{i * 2654435761 % 2**32:x}{mark}" for i in range(size // 12)]}


@given(
    sizes=st.lists(st.sampled_from([10, 5_000, 30_000, 100_000]), min_size=1, max_size=5),
    rows=st.integers(0, 60),
    restarts=st.booleans(),
)
async def test_what_was_saved_last_is_there_as_a_whole_whenever_the_process_is_killed(
    sizes: list[int],
    rows: int,
    restarts: bool,  # noqa: FBT001  # hypothesis passes it so
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked, "SMALL", 1_000)
        patch.setattr(chunked, "PART", 4_000)
        table = Crashing()
        table.rows = rows
        state = LargeState(table)
        saved = None
        for mark, size in enumerate(sizes):
            try:
                await state.save(0, "x", value(size, mark))
            except CrashError:
                break
            saved = value(size, mark)
            if restarts:
                state = LargeState(table)
        assert LargeState(table).load(0, "x") == saved
        assert LargeState(table).load(1, "x") is None
        assert table.largest < 4_000 * 2 + 100


async def test_parts_that_do_not_belong_together_are_told() -> None:
    table = Table()
    await LargeState(table).save(0, "x", value(2_000_000, 1))
    await table.save(0, "x/1/0", {"text": ""})
    with pytest.raises(InputError, match="do not belong together"):
        LargeState(table).load(0, "x")
