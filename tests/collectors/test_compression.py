"""Compressed bodies, however they are cut into members and pieces."""

from __future__ import annotations

import gzip

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import compression
from collectors.compression import Body, Compression, SizeLimit
from collectors.errors import TooLargeError

LIMIT = SizeLimit(1000, "a setting")


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8), st.integers(1, 40), st.integers(0, 70))
def test_gzip_of_any_members_is_the_body_wherever_it_is_cut(parts: list[bytes], chunk: int, at_once: int) -> None:
    packed = b"".join(map(gzip.compress, parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "CHUNK", chunk)
        body = Body(packed, compression="gzip", limit=LIMIT, at_once=at_once)
        body.decompress()
    assert (body.plain, body.is_whole, body.size) == (b"".join(parts), True, len(body.plain))


@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("zstd", cramjam.zstd.compress),
        ("snappy", cramjam.snappy.compress),
        ("snappy", cramjam.snappy.compress_raw),
    ],
)
def test_a_body_of_the_limit_is_accepted_and_of_one_byte_more_is_not(name: Compression, pack: type[bytes], size: int) -> None:
    def read() -> bytes:
        body = Body(bytes(pack(b"x" * size)), compression=name, limit=LIMIT, at_once=10)
        body.decompress()
        return body.plain

    if size <= LIMIT.bytes:
        assert read() == b"x" * size
    else:
        with pytest.raises(TooLargeError, match=r"more than 1000 bytes, which is the limit \(a setting\)"):
            read()
