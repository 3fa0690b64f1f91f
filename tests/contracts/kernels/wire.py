"""Export requests of spans as bytes: what SDKs write, and, now and then, what protobuf allows and nobody writes, or forbids."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

TEXTS = (b"", b"GET", b"200", b"007", b"2x0", b"/buy/{id}", b'say "hi"\\\n\t\x01\x7f', "käse ☕ 🦀 \u2028".encode(), b"x" * 200)
NO_TEXTS = (b"\xff", b"\xed\xa0\x80", b"a\xc0\x80")
KEYS = (
    b"http.route",
    b"http.status_code",
    b"http.response.status_code",
    b"service.name",
    b"k8s.pod.name",
    b"i",
    b"",
    "schlüssel".encode(),
    b"http.route",
)
DOUBLES = (0.0, -0.0, 1.5, 1e308, 5e-324, 0.1, 1e16, 1e-7, 123456789.123, float("nan"), float("inf"), -float("inf"))
VARINTS = (0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1)
TIMES = (0, 1, 1_000_000, 1_700_000_000_000_000_000, 1_700_000_000_000_000_123, 2**63 - 1, 2**63, 2**64 - 1)


def varint(value: int, *, longer: bool = False) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + (bytes((value | 0x80, 0)) if longer else bytes((value,)))


def bytes_field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes by chance; `odd` is how likely each part is unusual."""

    chance: Random
    odd: float = 0.0

    def is_odd(self) -> bool:
        return self.chance.random() < self.odd

    def text(self) -> bytes:
        return self.chance.choice(NO_TEXTS if self.is_odd() else TEXTS)

    def number(self, usual: Sequence[int]) -> bytes:
        if self.is_odd():
            return varint(self.chance.choice(VARINTS), longer=self.chance.random() < 0.3)
        return varint(self.chance.choice(usual))

    def identity(self, size: int) -> bytes:
        if self.is_odd():
            return self.chance.choice((b"", bytes(size), b"short", bytes(size + 1)))
        return bytes((self.chance.randrange(3),)) * (size - 1) + b"\x07"  # few, so that some are the same

    def time(self) -> int:
        return self.chance.choice(TIMES if self.is_odd() else TIMES[3:5])

    def value(self, depth: int = 3) -> bytes:
        match self.chance.randrange(4 if depth == 0 else 9):
            case 0 | 4 | 5:
                one = bytes_field(1, self.text())
            case 1:
                one = b"\x10" + self.number((0, 1))
            case 2:
                one = b"\x18" + varint(self.chance.choice(VARINTS))
            case 3:
                one = b"\x21" + struct.pack("<d", self.chance.choice(DOUBLES))
            case 6:
                items = b"".join(bytes_field(1, self.value(depth - 1)) for _ in range(self.chance.randrange(3)))
                one = bytes_field(5, items)
            case 7:
                items = b"".join(bytes_field(1, self.pair(depth - 1)) for _ in range(self.chance.randrange(3)))
                one = bytes_field(6, items)
            case _:
                one = self.chance.choice((b"", bytes_field(7, self.chance.choice((b"", b"\x00\xff")))))
        if self.is_odd():
            one += self.chance.choice((one, b"\x40\x01", bytes_field(1, b"again"), self.value(0), self.deep()))
        return one

    def deep(self) -> bytes:
        one = bytes_field(1, b"in there")
        for _ in range(self.chance.choice((10, 23, 24, 25, 48, 49, 50, 99, 120))):
            one = bytes_field(5, bytes_field(1, one))
        return one

    def pair(self, depth: int = 3) -> bytes:
        parts = [bytes_field(1, self.chance.choice(KEYS)), bytes_field(2, self.value(depth))]
        if self.is_odd():
            parts = self.chance.choice((parts[::-1], parts[:1], parts[1:], [*parts, *parts], [*parts, b"\x18\x07"]))
        return b"".join(parts)

    def attributes(self, number: int) -> list[bytes]:
        return [bytes_field(number, self.pair()) for _ in range(self.chance.randrange(5))]

    def message(self, fields: list[bytes], optional: list[bytes] = []) -> bytes:  # noqa: B006 - it is not changed
        """The fields, some of the optional ones among them; odd: in any order, twice, or with others."""
        written = fields + [field for field in optional if self.chance.random() < 0.5]
        if self.is_odd():
            self.chance.shuffle(written)
        if written and self.is_odd():
            written.append(self.chance.choice(written))
        if self.is_odd():
            others = (
                b"\x0b\x0c",
                b"\xba\x02\x01a",
                b"\x00\x00",
                b"\xb8\x02\x05",
                b"\xbd\x02abcd",
                b"\x0a",
                b"\x08\x01",
                b"\xff" * 11,
            )
            written.insert(self.chance.randrange(len(written) + 1), self.chance.choice(others))
        return b"".join(written)

    def event(self) -> bytes:
        time = b"\x09" + struct.pack("<Q", self.time())
        return self.message([time, bytes_field(2, self.text()), *self.attributes(3)], [b"\x20" + self.number((1, 3))])

    def link(self) -> bytes:
        names = [bytes_field(1, self.identity(16)), bytes_field(2, self.identity(8))]
        more = [bytes_field(3, self.text()), b"\x28" + self.number((1, 3)), b"\x35" + struct.pack("<I", 257)]
        return self.message([*names, *self.attributes(4)], more)

    def span(self) -> bytes:
        status = self.message([], [bytes_field(2, self.text()), b"\x18" + self.number((0, 1, 2))])
        fields = [
            bytes_field(1, self.identity(16)),
            bytes_field(2, self.identity(8)),
            bytes_field(5, self.text()),
            b"\x30" + self.number((0, 1, 2, 3, 4, 5)),
            b"\x39" + struct.pack("<Q", self.time()),
            b"\x41" + struct.pack("<Q", self.time()),
            *self.attributes(9),
        ]
        optional = [
            bytes_field(3, self.text()),
            bytes_field(4, self.chance.choice((self.identity(8), bytes(8)))),
            b"\x50" + self.number((1, 3)),
            *(bytes_field(11, self.event()) for _ in range(self.chance.randrange(3))),
            b"\x60" + self.number((1, 3)),
            *(bytes_field(13, self.link()) for _ in range(self.chance.randrange(3))),
            b"\x70" + self.number((1, 3)),
            bytes_field(15, status),
            b"\x85\x01" + struct.pack("<I", self.chance.choice((1, 257))),
        ]
        return self.message(fields, optional)

    def scope(self) -> bytes:
        return self.message(
            [bytes_field(1, self.text()), *self.attributes(3)], [bytes_field(2, b"1"), b"\x20" + self.number((1,))]
        )

    def resource(self) -> bytes:
        entity = bytes_field(
            3, bytes_field(1, b"https://schema") + bytes_field(2, b"service") + bytes_field(3, b"service.name")
        )
        return self.message(self.attributes(1), [b"\x10" + self.number((1,)), entity])

    def request(self, groups: int = 3) -> bytes:
        resources = [b"", self.resource(), self.resource()]
        schemas = (b"", b"", b"https://schema/1", b"\xff")
        out = b""
        for _ in range(self.chance.randrange(1, groups + 1)):
            below = []
            for _ in range(self.chance.randrange(3)):
                spans = [bytes_field(2, self.span()) for _ in range(self.chance.randrange(4))]
                about = [bytes_field(1, self.scope())] if self.chance.random() < 0.7 else []
                below.append(bytes_field(2, self.message([*about, *spans], [bytes_field(3, self.chance.choice(schemas))])))
            about = [bytes_field(1, self.chance.choice(resources))] if self.chance.random() < 0.9 else []
            out += bytes_field(1, self.message([*about, *below], [bytes_field(3, self.chance.choice(schemas))]))
        return out
