"""Messages of the SPIFFE Workload API, in a descriptor pool of our own: a client's library may bring the same names.

Specification: SPIFFE_Workload_API.md, X.509-SVID profile. Certificates are DER, several one after the other; keys are PKCS #8.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError

from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from google.protobuf.message import Message

SERVICE: Final = "SpiffeWorkloadAPI"
FETCH_SVID, FETCH_BUNDLES = "FetchX509SVID", "FetchX509Bundles"
HEADER: Final = ("workload.spiffe.io", "true")
"""Metadata of every call: a page in a browser, or a server that passes requests on, cannot send it by accident."""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SVID = (("spiffe_id", 1), ("x509_svid", 2), ("x509_svid_key", 3), ("bundle", 4), ("hint", 5))
_TEXT = {"spiffe_id", "hint", "key"}


class Svid(NamedTuple):
    """One identity as it travels."""

    spiffe_id: str
    x509_svid: bytes
    x509_svid_key: bytes
    bundle: bytes


class _Response(Protocol):
    svids: Sequence[Svid]
    bundles: MutableMapping[str, bytes]


@functools.cache
def _messages() -> Mapping[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="workload.proto", syntax="proto3")
    svid = file.message_type.add(name="X509SVID")
    for name, number in _SVID:
        _add(svid, name, number, _FIELD.TYPE_STRING if name in _TEXT else _FIELD.TYPE_BYTES)
    svids = file.message_type.add(name="X509SVIDResponse")
    _add(svids, "svids", 1, _FIELD.TYPE_MESSAGE, many=True, of=".X509SVID")
    _add(svids, "crl", 2, _FIELD.TYPE_BYTES, many=True)
    _add_map(svids, "federated_bundles", 3)
    bundles = file.message_type.add(name="X509BundlesResponse")
    _add(bundles, "crl", 1, _FIELD.TYPE_BYTES, many=True)
    _add_map(bundles, "bundles", 2)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in ("X509SVID", "X509SVIDResponse", "X509BundlesResponse")
    }


def _add(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: descriptor_pb2.FieldDescriptorProto.Type.ValueType,
    *,
    many: bool = False,
    of: str = "",
) -> None:
    label = _FIELD.LABEL_REPEATED if many else _FIELD.LABEL_OPTIONAL
    message.field.add(name=name, number=number, type=kind, label=label, type_name=of or None)


def _add_map(message: descriptor_pb2.DescriptorProto, name: str, number: int) -> None:
    """A map from text to bytes: a repeated message with a key and a value."""
    entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    _add(entry, "key", 1, _FIELD.TYPE_STRING)
    _add(entry, "value", 2, _FIELD.TYPE_BYTES)
    _add(message, name, number, _FIELD.TYPE_MESSAGE, many=True, of=f".{message.name}.{entry_name}")


def svids_response(svid: Svid) -> bytes:
    """The answer of FetchX509SVID."""
    found = _messages()["X509SVIDResponse"](svids=[_messages()["X509SVID"](**svid._asdict())])
    return found.SerializeToString(deterministic=True)


def bundles_response(bundles: Mapping[str, bytes]) -> bytes:
    """The answer of FetchX509Bundles, by `spiffe://TRUST_DOMAIN`."""
    return _messages()["X509BundlesResponse"](bundles=dict(bundles)).SerializeToString(deterministic=True)


def read_svids(data: bytes) -> list[Svid]:
    """The identities of an answer, the default one first; bundles of other trust domains are not read.

    Raises:
        DecodeError: it is no such answer.
    """
    message = _messages()["X509SVIDResponse"]()
    try:
        message.ParseFromString(data)
    except ProtobufError as error:
        raise DecodeError("", f"no X509SVIDResponse: {error}") from error
    found = cast("_Response", message)
    return [Svid(each.spiffe_id, each.x509_svid, each.x509_svid_key, each.bundle) for each in found.svids]
