"""Protobuf messages of a few fields, made from a table: for formats whose generated classes nobody ships for Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.json_object import JsonObject

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "fixed64": _Field.TYPE_FIXED64,
    "double": _Field.TYPE_DOUBLE,
}


def messages(
    package: str, fields_of: Mapping[str, Mapping[str, tuple[int, str]]], enums: Mapping[str, tuple[str, ...]] | None = None
) -> JsonObject:
    """The classes of messages by their names.

    Args:
        package: their protobuf package.
        fields_of: by message and field: number and type. `*` before a type says repeated, a leading dot names a message of
            Google's timestamp or duration, a name without one a message or an enum of this package.
        enums: by name, their values from 0.
    """
    enums = enums or {}
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend([timestamp_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in fields_of.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if kind.startswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.removeprefix("*")  # noqa: PLW2901 - the mark is read
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type = _Field.TYPE_ENUM if kind in enums else _Field.TYPE_MESSAGE
                field.type_name = kind if kind.startswith(".") else f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    for known in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in fields_of}
