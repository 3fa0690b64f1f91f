"""The audit trail: records that are only ever appended, each holding the hash of the one before.

A record's hash is SHA-256 over the canonical JSON (sorted keys, no spaces) of everything else in it, the previous
hash included. So an edited record no longer fits its own hash, and a deleted, added or moved one no longer fits its
neighbour. What a chain cannot show by itself is that its end was cut off or that all of it was rewritten: for
that `verify` is given anchors, places of the chain that were noted elsewhere (each incident document holds one).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from telemetry.documents import Document, audit_document
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

GENESIS = "0" * 64
"""What the first record of a chain holds as the previous hash."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry. `sequence` counts from 1; `incident` is empty for what belongs to none."""

    chain: str
    sequence: int
    time: int
    incident: str
    event: str
    data: Body
    previous: str
    hash: str

    def document(self) -> Document:
        """The record as it is stored."""
        return audit_document(asdict(self))


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place of the chain that was noted outside it. `source` says where, for the report."""

    sequence: int
    hash: str
    source: str


@dataclass(frozen=True, slots=True)
class AuditFault:
    """Where the chain is broken, and how."""

    sequence: int
    reason: str


def record_hash(fields: Mapping[str, object]) -> str:
    """The hash of a record: SHA-256, in hex, of its canonical JSON without `hash`.

    Raises:
        InputError: it holds something that JSON cannot.
    """
    try:
        content = orjson.dumps(
            {key: value for key, value in fields.items() if key != "hash"},
            option=orjson.OPT_SORT_KEYS,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"audit record {fields.get('sequence')}: {error}; keep to what JSON can hold") from error
    return hashlib.sha256(content).hexdigest()


class Chain:
    """The growing end of one chain."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sequence = 0
        self.head = GENESIS

    def append(self, time: int, event: str, data: Body, incident: str = "") -> AuditRecord:
        """The next record. `data` is what JSON can hold, and must not be changed afterwards."""
        fields: JsonObject = {
            "chain": self.name,
            "sequence": self.sequence + 1,
            "time": time,
            "incident": incident,
            "event": event,
            "data": data,
            "previous": self.head,
        }
        record = AuditRecord(**fields, hash=record_hash(fields))
        self.sequence, self.head = record.sequence, record.hash
        return record

    def snapshot(self) -> Body:
        """Where the chain ends."""
        return {"version": 1, "name": self.name, "sequence": self.sequence, "head": self.head}

    def restore(self, snapshot: Body) -> None:
        """Go on where a snapshot ended.

        Raises:
            InputError: the snapshot is of another version.
        """
        if snapshot.get("version") != 1:
            raise InputError(f"audit chain: snapshot version {snapshot.get('version')!r}; this release reads 1")
        self.name, self.sequence, self.head = snapshot["name"], snapshot["sequence"], snapshot["head"]


_FIELDS = ("chain", "sequence", "time", "incident", "event", "data", "previous")


def verify(records: Iterable[JsonObject], anchors: Iterable[Anchor] = ()) -> list[AuditFault]:
    """Every place where a chain was edited, cut, or put in another order; empty when it is whole.

    Args:
        records: the bodies of one chain's documents in the order in which they are claimed to have been written;
            fields that a store adds (their names begin with `_` or `@`) are left aside, others are a fault.
        anchors: places noted elsewhere, which the chain must still hold.
    """
    faults: list[AuditFault] = []
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.sequence, []).append(anchor)
    expected, previous = 1, GENESIS
    for body in records:
        sequence = body.get("sequence")
        if not isinstance(sequence, int):
            faults.append(AuditFault(expected, f"a record without a sequence number stands where {expected} should"))
            continue
        if sequence != expected:
            reason = f"{expected} is missing" if sequence > expected else f"{sequence} stands after {expected - 1}"
            faults.append(AuditFault(sequence, f"out of order: {reason}"))
        added = sorted(key for key in body if key not in _FIELDS and key != "hash" and key[:1] not in "_@")
        lacking = [key for key in _FIELDS if key not in body]
        if added or lacking:
            faults.append(AuditFault(sequence, f"edited: fields added {added}, removed {lacking}"))
        elif record_hash({key: body[key] for key in _FIELDS}) != body.get("hash"):
            faults.append(AuditFault(sequence, "edited: its content does not have its hash"))
        if sequence == expected and body.get("previous") != previous:
            faults.append(AuditFault(sequence, f"does not follow {expected - 1}: that one was edited or replaced"))
        faults += [
            AuditFault(sequence, f"rewritten: {anchor.source} noted another hash")
            for anchor in wanted.pop(sequence, ())
            if anchor.hash != body.get("hash")
        ]
        expected, previous = sequence + 1, str(body.get("hash"))
    faults += [
        AuditFault(sequence, f"missing: {anchor.source} noted it")
        for sequence, left in sorted(wanted.items())
        for anchor in left
        if sequence
    ]
    return faults
