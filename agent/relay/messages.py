"""Discovery requests and responses, and the resources within them, as far as the relay looks at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, cast

from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from components.xds.pool import TYPE_PREFIX, message_class, parse
from telemetry.errors import DecodeError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableSequence

CLUSTER: Final = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET: Final = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
LISTENER: Final = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTES: Final = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = TYPE_PREFIX + "envoy.service.runtime.v3.Runtime"

TYPES: Final = (CLUSTER, ENDPOINTS, SECRET, LISTENER, ROUTES, RUNTIME)
"""All that the relay passes on, in the order in which it is sent: what is referred to before what refers to it."""

WHOLE: Final = frozenset({CLUSTER, LISTENER})
"""Types of which an answer is the whole: what it does not have is deleted."""

ADS: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
STREAM: Final = "StreamAggregatedResources"


class _Packed(Protocol):
    type_url: str
    value: bytes


class _PackedList(Protocol):
    def __iter__(self) -> Iterator[_Packed]: ...
    def add(self, *, type_url: str, value: bytes) -> _Packed: ...


class _Status(Protocol):
    code: int
    message: str


class _Request(Protocol):
    version_info: str
    type_url: str
    response_nonce: str
    resource_names: MutableSequence[str]
    node: Message
    error_detail: _Status

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's name
    def HasField(self, name: str) -> bool: ...  # noqa: N802 - protobuf's name


class _Response(Protocol):
    version_info: str
    type_url: str
    nonce: str
    resources: _PackedList

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's name


@dataclass(frozen=True, slots=True)
class Request:
    """A subscription, or the answer to a response: `error` says that it was refused.

    `node` is a serialized `Node`, in the first request of a stream.
    """

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str = ""
    node: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """Read one.

        Raises:
            DecodeError: it is none.
        """
        read = cast("_Request", read_message("envoy.service.discovery.v3.DiscoveryRequest", data))
        refused = (read.error_detail.message or f"code {read.error_detail.code}") if read.HasField("error_detail") else ""
        node = read.node.SerializeToString() if read.HasField("node") else b""
        return cls(read.type_url, tuple(read.resource_names), read.version_info, read.response_nonce, refused, node)

    def encode(self) -> bytes:
        """Its bytes."""
        made = cast("_Request", message_class("envoy.service.discovery.v3.DiscoveryRequest")())
        made.type_url, made.version_info, made.response_nonce = self.type_url, self.version, self.nonce
        made.resource_names.extend(self.names)
        if self.node:
            made.node.ParseFromString(self.node)
        if self.error:
            made.error_detail.code, made.error_detail.message = 3, self.error  # INVALID_ARGUMENT
        return made.SerializeToString()


@dataclass(frozen=True, slots=True)
class Response:
    """Resources of a type, serialized, by name."""

    type_url: str
    version: str
    nonce: str
    resources: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def decode(cls, data: bytes) -> Response:
        """Read one; of a type that the relay does not know it has no resources.

        Raises:
            DecodeError: it is none, or holds a resource of another type than it says.
        """
        read = cast("_Response", read_message("envoy.service.discovery.v3.DiscoveryResponse", data))
        resources: dict[str, bytes] = {}
        if read.type_url in TYPES:
            for packed in read.resources:
                if packed.type_url != read.type_url:
                    raise DecodeError("resources", f"a {packed.type_url} in an answer of {read.type_url}")
                resources[name_of(packed.type_url, packed.value)] = packed.value
        return cls(read.type_url, read.version_info, read.nonce, resources)

    def encode(self) -> bytes:
        """Its bytes."""
        made = cast("_Response", message_class("envoy.service.discovery.v3.DiscoveryResponse")())
        made.type_url, made.version_info, made.nonce = self.type_url, self.version, self.nonce
        for value in self.resources.values():
            made.resources.add(type_url=self.type_url, value=value)
        return made.SerializeToString()


def name_of(type_url: str, value: bytes) -> str:
    """By which name Envoy asks for a resource.

    Raises:
        DecodeError: it is none of its type.
    """
    message = read_message(type_url.removeprefix(TYPE_PREFIX), value)
    return str(getattr(message, "cluster_name" if type_url == ENDPOINTS else "name"))


def pack(resource: Mapping[str, object]) -> tuple[str, str, bytes]:
    """Type, name and bytes of a resource as Envoy's documentation writes it in JSON, with its `@type`.

    Raises:
        InputError: it is none that the relay passes on.
    """
    type_url = resource.get("@type")
    if type_url not in TYPES:
        raise InputError(f"@type: {type_url!r} is none of {', '.join(TYPES)}")
    fields = {key: value for key, value in resource.items() if key != "@type"}
    value = parse(str(type_url).removeprefix(TYPE_PREFIX), fields).SerializeToString(deterministic=True)
    return str(type_url), name_of(str(type_url), value), value


def read_message(name: str, data: bytes) -> Message:
    """A message by its full name.

    Raises:
        DecodeError: the bytes are none.
    """
    message = message_class(name)()
    try:
        message.ParseFromString(data)
    except ProtobufError as error:
        raise DecodeError("", f"no {name}: {error}") from error
    return message
