"""Text that is no Unicode costs itself, not the batch that it came in."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import otlp, replaced_text
from telemetry.errors import DecodeError
from telemetry.otlp.request import SHAPES
from telemetry.replaced_text import replace_in_json, replace_in_protobuf
from tests.pipeline.wire import fixed64, message

LATIN_1 = "/café".encode("latin-1")


@pytest.mark.parametrize(
    ("written", "read", "count"),
    [
        (rb'"cut \ud83d"', "cut �", 1),
        (rb'"\ud83d\ude00"', "😀", 0),
        (rb'"\ude00\ud83d"', "��", 2),
        (rb'"\uD83D\uD83D\uDE00"', "�😀", 1),
        (rb'"\\ud83d"', r"\ud83d", 0),
        (rb'"\\\ud83d"', "\\�", 1),
        (rb'"\\ud83d\ude00"', r"\ud83d�", 1),
        (b'"' + LATIN_1 + b'"', "/caf�", 1),
        (b'"\xed\xa0\xbd \xef\xbf\xbd"', "��� �", 3),
    ],
)
def test_json_has_the_replacement_for_what_is_no_text(written: bytes, read: str, count: int) -> None:
    found, replaced = replace_in_json(written)
    assert (orjson.loads(found), replaced) == (read, count)


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_of_a_language_with_surrogates_can_be_read(text: str) -> None:
    found, _ = replace_in_json(json.dumps([text]).encode())
    assert orjson.loads(found) == [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]


def a_span(name: bytes, value: bytes) -> bytes:
    attribute = message((1, b"url.path"), (2, message((5, message((1, message((1, value))))))))
    return (
        message((1, bytes([1] * 16)), (2, bytes([2] * 8)), (5, name)) + fixed64(7, 10) + message((9, attribute), (99, b"\xff"))
    )


def test_protobuf_has_the_replacement_in_strings_at_any_depth_and_nothing_else_changes() -> None:
    good, bad = a_span(b"good", b"x"), a_span(b"bad\xff", LATIN_1)
    request = message((1, message((2, message((2, good), (2, bad), (2, good))))))
    with pytest.raises(DecodeError):
        otlp.parse("spans", request)
    read = otlp.read_protobuf("spans", request)
    assert read.replaced == 2
    spans = otlp.decode_spans(read.data)
    assert [span.name for span in spans] == ["good", "bad�", "good"]
    assert [span.attributes for span in spans] == [{"url.path": ["x"]}, {"url.path": ["/caf�"]}, {"url.path": ["x"]}]
    assert read.data.count(good) == 2
    assert read.data.count(b"\x9a\x06\x01\xff") == 3, "what nobody knows stays as it came"


@given(st.binary(max_size=80))
def test_what_is_wrong_beside_its_text_stays_an_error(data: bytes) -> None:
    kind = SHAPES["logs"].message
    replaced, count = replace_in_protobuf(kind, data)
    if not count:
        assert replaced == data


def test_a_message_with_more_bad_texts_than_are_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaced_text, "MAX_REPLACED", 2)
    request = message((1, message((2, message(*[(2, a_span(b"\xff", b"x"))] * 3)))))
    with pytest.raises(DecodeError, match="more than 2 texts"):
        otlp.read_protobuf("spans", request)
