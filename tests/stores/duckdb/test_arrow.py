from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.duckdb.arrow import BOOLEAN, INTEGER, NUMBER, STRING, STRINGS, Columns

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COLUMNS = {
    STRING: TEXT,
    STRINGS: st.lists(TEXT, max_size=4),
    INTEGER: st.integers(-(2**63), 2**63 - 1),
    NUMBER: st.floats(allow_nan=False),
    BOOLEAN: st.booleans(),
}
FORMATS = {f"column {format_!r}": format_ for format_ in COLUMNS}
ROWS = st.lists(st.tuples(*(values | st.none() for values in COLUMNS.values())), max_size=20)


def read(columns: Columns, times: int = 1) -> list[Any]:
    with duckdb.connect() as connection:
        connection.register("batch", columns)
        return [connection.execute("SELECT * FROM batch").fetchall() for _ in range(times)]


@given(rows=ROWS)
def test_duckdb_reads_every_row_as_it_is(rows: list[tuple[object, ...]]) -> None:
    columns = Columns(FORMATS, [[row[index] for row in rows] for index in range(len(COLUMNS))])
    assert read(columns) == [rows]


def test_more_rows_than_duckdb_accepts_at_a_time_come_in_order() -> None:
    values = [None if number % 10 == 0 else f"größe {number}" for number in range(100_000)]
    assert read(Columns({"a": STRING}, [values])) == [[(value,) for value in values]]


def test_a_table_can_be_read_again() -> None:
    columns = Columns({"a": STRINGS, "b": INTEGER}, [[["x"], None], [1, None]])
    assert read(columns, times=3) == [[(["x"], 1), (None, None)]] * 3


def test_text_may_come_as_utf8_bytes() -> None:
    assert read(Columns({"a": STRING}, [["größe".encode(), b""]])) == [[("größe",), ("",)]]


def test_an_integer_beyond_2_to_the_53_stands_in_a_column_of_numbers() -> None:
    assert read(Columns({"a": NUMBER}, [[2**63 - 4096, 2**64 - 1]])) == [[(float(2**63 - 4096),), (float(2**64),)]]


@pytest.mark.parametrize(("format_", "value"), [(STRING, "\ud800"), (INTEGER, 2**63)])
def test_a_value_that_is_not_of_the_columns_format_is_refused(format_: bytes, value: object) -> None:
    with pytest.raises((UnicodeEncodeError, OverflowError)):
        Columns({"a": format_}, [[value]])
