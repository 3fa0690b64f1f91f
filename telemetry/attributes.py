"""Names of OpenTelemetry's semantic conventions: each is a tuple, today's name first, then the names it had before.

A test compares every renaming with what the opentelemetry-semantic-conventions package says of its deprecated names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue

Names = tuple[str, ...]

SERVICE_PEER_NAME: Names = ("service.peer.name", "peer.service")
SERVICE_PEER_NAMESPACE: Names = ("service.peer.namespace",)
SERVER_ADDRESS: Names = ("server.address", "net.peer.name", "http.host")
SERVER_PORT: Names = ("server.port", "net.peer.port")
NETWORK_PEER_ADDRESS: Names = ("network.peer.address", "net.peer.ip", "net.sock.peer.addr")
NETWORK_PEER_PORT: Names = ("network.peer.port", "net.sock.peer.port")
NETWORK_PROTOCOL_NAME: Names = ("network.protocol.name", "net.protocol.name", "net.app.protocol.name")

HTTP_METHOD: Names = ("http.request.method", "http.method")
HTTP_STATUS_CODE: Names = ("http.response.status_code", "http.status_code")
HTTP_ROUTE: Names = ("http.route",)
URL_FULL: Names = ("url.full", "http.url")
URL_TEMPLATE: Names = ("url.template",)

RPC_SYSTEM: Names = ("rpc.system.name", "rpc.system")

DB_SYSTEM: Names = ("db.system.name", "db.system")
DB_NAMESPACE: Names = ("db.namespace", "db.name", "db.elasticsearch.cluster.name", "db.redis.database_index")
DB_OPERATION: Names = ("db.operation.name", "db.operation")
DB_COLLECTION: Names = (
    "db.collection.name",
    "db.sql.table",
    "db.mongodb.collection",
    "db.cassandra.table",
    "db.cosmosdb.container",
)
DB_QUERY_SUMMARY: Names = ("db.query.summary",)

MESSAGING_SYSTEM: Names = ("messaging.system",)
MESSAGING_DESTINATION: Names = ("messaging.destination.name", "messaging.destination")
MESSAGING_DESTINATION_TEMPLATE: Names = ("messaging.destination.template",)
MESSAGING_DESTINATION_TEMPORARY: Names = ("messaging.destination.temporary", "messaging.temp_destination")
MESSAGING_DESTINATION_ANONYMOUS: Names = ("messaging.destination.anonymous",)
MESSAGING_OPERATION_TYPE: Names = ("messaging.operation.type", "messaging.operation")


def text(attributes: Mapping[str, AttributeValue], names: Names) -> str:
    """The value under the first of the names that has one, as text; empty where none has."""
    for name in names:
        if name in attributes:
            value = attributes[name]
            if value is not None and value != "":
                return str(value)
    return ""
