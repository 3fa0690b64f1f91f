"""Protobuf messages of Jaeger and Zipkin, as far as spans need them.

Field numbers: jaeger-idl `api_v2/model.proto`, zipkin-api `zipkin.proto`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

# name: number and type; `*` before a type says repeated, a leading dot names a message of another file.
_JAEGER = {
    "KeyValue": {
        "key": (1, "string"),
        "v_type": (2, "ValueType"),
        "v_str": (3, "string"),
        "v_bool": (4, "bool"),
        "v_int64": (5, "int64"),
        "v_float64": (6, "double"),
        "v_binary": (7, "bytes"),
    },
    "Log": {"timestamp": (1, ".google.protobuf.Timestamp"), "fields": (2, "*KeyValue")},
    "SpanRef": {"trace_id": (1, "bytes"), "span_id": (2, "bytes"), "ref_type": (3, "SpanRefType")},
    "Process": {"service_name": (1, "string"), "tags": (2, "*KeyValue")},
    "Span": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "operation_name": (3, "string"),
        "references": (4, "*SpanRef"),
        "flags": (5, "uint32"),
        "start_time": (6, ".google.protobuf.Timestamp"),
        "duration": (7, ".google.protobuf.Duration"),
        "tags": (8, "*KeyValue"),
        "logs": (9, "*Log"),
        "process": (10, "Process"),
    },
}
_JAEGER_ENUMS = {"ValueType": ("STRING", "BOOL", "INT64", "FLOAT64", "BINARY"), "SpanRefType": ("CHILD_OF", "FOLLOWS_FROM")}

_ZIPKIN = {
    "Endpoint": {"service_name": (1, "string"), "ipv4": (2, "bytes"), "ipv6": (3, "bytes"), "port": (4, "int32")},
    "Annotation": {"timestamp": (1, "fixed64"), "value": (2, "string")},
    "Tag": {"key": (1, "string"), "value": (2, "string")},  # an entry of a map reads as this
    "Span": {
        "trace_id": (1, "bytes"),
        "parent_id": (2, "bytes"),
        "id": (3, "bytes"),
        "kind": (4, "Kind"),
        "name": (5, "string"),
        "timestamp": (6, "fixed64"),
        "duration": (7, "uint64"),
        "local_endpoint": (8, "Endpoint"),
        "remote_endpoint": (9, "Endpoint"),
        "annotations": (10, "*Annotation"),
        "tags": (11, "*Tag"),
        "shared": (13, "bool"),
    },
    "ListOfSpans": {"spans": (1, "*Span")},
}
_ZIPKIN_ENUMS = {"Kind": ("SPAN_KIND_UNSPECIFIED", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")}


def _messages(
    package: str, messages: Mapping[str, Mapping[str, tuple[int, str]]], enums: Mapping[str, tuple[str, ...]]
) -> JsonObject:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend([timestamp_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in messages.items():
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
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


JaegerSpan: Any = _messages("jaeger.api_v2", _JAEGER, _JAEGER_ENUMS)["Span"]
ZipkinSpans: Any = _messages("zipkin.proto3", _ZIPKIN, _ZIPKIN_ENUMS)["ListOfSpans"]
