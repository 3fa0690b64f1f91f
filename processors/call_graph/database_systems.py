"""Database systems by today's names in the semantic conventions, and the ports that they listen on by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry import attributes as names
from telemetry.attributes import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue

TODAY = {
    "adabas": "softwareag.adabas",
    "cache": "intersystems.cache",
    "cosmosdb": "azure.cosmosdb",
    "db2": "ibm.db2",
    "dynamodb": "aws.dynamodb",
    "firebird": "firebirdsql",
    "h2": "h2database",
    "hanadb": "sap.hana",
    "informix": "ibm.informix",
    "ingres": "actian.ingres",
    "intersystems_cache": "intersystems.cache",
    "maxdb": "sap.maxdb",
    "mssql": "microsoft.sql_server",
    "netezza": "ibm.netezza",
    "oracle": "oracle.db",
    "redshift": "aws.redshift",
    "spanner": "gcp.spanner",
}
"""By the value of `db.system`, where `db.system.name` has another one."""

DEFAULT_PORTS = {
    "aws.redshift": "5439",
    "cassandra": "9042",
    "clickhouse": "8123",
    "cockroachdb": "26257",
    "couchbase": "11210",
    "couchdb": "5984",
    "elasticsearch": "9200",
    "ibm.db2": "50000",
    "influxdb": "8086",
    "mariadb": "3306",
    "memcached": "11211",
    "microsoft.sql_server": "1433",
    "mongodb": "27017",
    "mysql": "3306",
    "neo4j": "7687",
    "opensearch": "9200",
    "oracle.db": "1521",
    "postgresql": "5432",
    "redis": "6379",
}
"""The conventions want a port only where it is another one; older instrumentation always has it."""


def database_system(attributes: Mapping[str, AttributeValue]) -> str:
    """The database system that a span uses, by today's name; empty where it names none.

    >>> database_system({"db.system": "mssql"})
    'microsoft.sql_server'
    """
    system = text(attributes, names.DB_SYSTEM)
    return TODAY.get(system, system)
