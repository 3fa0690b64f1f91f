"""Columns of Python values as an Arrow stream, which DuckDB reads where it lies and without Python's lock.

The C data and stream interfaces of Arrow (https://arrow.apache.org/docs/format/CDataInterface.html), of which this has one
struct array: a table of one batch. The buffers belong to the `Columns` object: it must outlive whoever reads its stream.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

STRING, STRINGS, INTEGER, INTEGERS, NUMBER, BOOLEAN = b"U", b"+L", b"l", b"+L of l", b"g", b"b"
"""Formats: text, a list of texts, 64 bits signed, a list of those, a double, a truth value. Texts and lists have 64-bit
offsets. Arrow's own name of both lists is `+L`; what they hold is their child's format."""

_NULLABLE = 2


class _Schema(Structure):
    pass


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_RELEASE_SCHEMA = ctypes.CFUNCTYPE(None, POINTER(_Schema))
_RELEASE_ARRAY = ctypes.CFUNCTYPE(None, POINTER(_Array))
_GET_SCHEMA = ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))
_GET_NEXT = ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))
_GET_ERROR = ctypes.CFUNCTYPE(c_void_p, POINTER(_Stream))
_RELEASE_STREAM = ctypes.CFUNCTYPE(None, POINTER(_Stream))

_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", POINTER(_Schema)),
    ("release", _RELEASE_SCHEMA),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", POINTER(_Array)),
    ("release", _RELEASE_ARRAY),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", _GET_SCHEMA),
    ("get_next", _GET_NEXT),
    ("get_last_error", _GET_ERROR),
    ("release", _RELEASE_STREAM),
    ("private_data", c_void_p),
]


# Nothing is owned by the structs, so that to release one is to mark it so.
@_RELEASE_SCHEMA  # type: ignore[untyped-decorator] # ctypes: a function type
def _release_schema(schema: Any) -> None:
    schema.contents.release = _RELEASE_SCHEMA()


@_RELEASE_ARRAY  # type: ignore[untyped-decorator] # ctypes: a function type
def _release_array(array: Any) -> None:
    array.contents.release = _RELEASE_ARRAY()


@_RELEASE_STREAM  # type: ignore[untyped-decorator] # ctypes: a function type
def _release_stream(stream: Any) -> None:
    stream.contents.release = _RELEASE_STREAM()


@_GET_ERROR  # type: ignore[untyped-decorator] # ctypes: a function type
def _no_error(_: object) -> None:
    return None


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [c_void_p, c_char_p, c_void_p]


class _Column(NamedTuple):
    """A column where it lies in memory."""

    name: bytes
    format: bytes
    length: int
    missing: int
    buffers: tuple[int | None, ...]
    children: tuple[_Column, ...] = ()


class Columns:
    """A table of named columns, each of one format, whose values may be None. It can be read any number of times.

    Args:
        formats: the columns, in the order of `values`.
        values: of each column as many. Text may come as UTF-8 bytes, all of a column.

    Raises:
        UnicodeEncodeError, OverflowError: a value is not of its column's format.
    """

    def __init__(self, formats: Mapping[str, bytes], values: Sequence[Sequence[object] | NDArray[np.generic]]) -> None:
        self._kept: list[object] = []
        columns = [
            self._column(name.encode(), format_, column)
            for (name, format_), column in zip(formats.items(), values, strict=True)
        ]
        self._table = _Column(b"", b"+s", len(values[0]), 0, (None,), tuple(columns))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A PyCapsule of an `ArrowArrayStream`, a new one at each call."""
        del requested_schema  # the reader's wish, which may be ignored
        left = [self._table]

        @_GET_SCHEMA  # type: ignore[untyped-decorator] # ctypes: a function type
        def get_schema(_: Any, schema: Any) -> int:
            _fill_schema(schema.contents, self._table, self._kept)
            return 0

        @_GET_NEXT  # type: ignore[untyped-decorator] # ctypes: a function type
        def get_next(_: Any, array: Any) -> int:
            if left:
                _fill_array(array.contents, left.pop(), self._kept)
            else:
                array.contents.release = _RELEASE_ARRAY()  # the end
            return 0

        stream = _Stream(get_schema, get_next, _no_error, _release_stream, None)
        self._kept += [get_schema, get_next, stream]
        return _new_capsule(ctypes.addressof(stream), b"arrow_array_stream", None)

    def _column(self, name: bytes, format_: bytes, values: Sequence[Any] | NDArray[Any]) -> _Column:
        if isinstance(values, np.ndarray):  # of the format's type, nothing missing: read where it lies
            place = self._bits(values) if format_ == BOOLEAN else self._buffer(np.ascontiguousarray(values))
            return _Column(name, format_, len(values), 0, (None, place))
        missing = values.count(None)
        valid = self._bits([value is not None for value in values]) if missing else None
        children: tuple[_Column, ...] = ()
        buffers: tuple[int, ...]
        if format_ == STRING:
            data, lengths = _text(values if not missing else ["" if value is None else value for value in values])
            buffers = self._offsets(lengths), self._buffer(np.frombuffer(data, dtype=np.uint8))
        elif format_ in {STRINGS, INTEGERS}:
            buffers = (self._offsets(0 if value is None else len(value) for value in values),)
            items = [item for value in values if value is not None for item in value]
            children = (self._column(b"item", STRING if format_ == STRINGS else INTEGER, items),)
            format_ = STRINGS
        elif format_ == BOOLEAN:
            buffers = (self._bits([bool(value) for value in values]),)
        else:
            present = values if not missing else [0 if value is None else value for value in values]
            buffers = (self._buffer(np.array(present, dtype=np.int64 if format_ == INTEGER else np.float64)),)
        return _Column(name, format_, len(values), missing, (valid, *buffers), children)

    def _offsets(self, lengths: Iterable[int]) -> int:
        ends = np.cumsum(np.fromiter(lengths, dtype=np.int64), dtype=np.int64)
        return self._buffer(np.concatenate((np.zeros(1, np.int64), ends)))

    def _bits(self, values: Sequence[bool] | NDArray[np.generic]) -> int:
        return self._buffer(np.packbits(np.array(values, dtype=np.bool_), bitorder="little"))

    def _buffer(self, data: NDArray[Any]) -> int:
        data = data if data.size else np.zeros(1, data.dtype)  # a pointer to something is safer than one to nothing
        self._kept.append(data)
        return int(data.ctypes.data)


def _text(values: Sequence[Any]) -> tuple[bytes, Iterable[int]]:
    """All texts as one, in UTF-8, and how many bytes each has. Most columns are of ASCII, which is encoded at once."""
    if values and isinstance(values[0], bytes):
        return b"".join(values), map(len, values)
    whole = "".join(values)
    if whole.isascii():
        return whole.encode(), map(len, values)
    encoded = [value.encode() for value in values]
    return b"".join(encoded), map(len, encoded)


def _fill_schema(schema: _Schema, column: _Column, kept: list[object]) -> None:
    children = [_Schema() for _ in column.children]
    for child, of in zip(children, column.children, strict=True):
        _fill_schema(child, of, kept)
    pointers = (POINTER(_Schema) * len(children))(*map(ctypes.pointer, children))
    kept += [pointers, *children]
    schema.format, schema.name, schema.metadata, schema.flags = column.format, column.name, None, _NULLABLE
    schema.n_children, schema.children = len(children), ctypes.cast(pointers, POINTER(POINTER(_Schema)))
    schema.release = _release_schema


def _fill_array(array: _Array, column: _Column, kept: list[object]) -> None:
    children = [_Array() for _ in column.children]
    for child, of in zip(children, column.children, strict=True):
        _fill_array(child, of, kept)
    buffers = (c_void_p * len(column.buffers))(*column.buffers)
    pointers = (POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    kept += [buffers, pointers, *children]
    array.length, array.null_count, array.offset = column.length, column.missing, 0
    array.n_buffers, array.n_children = len(buffers), len(children)
    array.buffers = ctypes.cast(buffers, POINTER(c_void_p))
    array.children = ctypes.cast(pointers, POINTER(POINTER(_Array)))
    array.release = _release_array
