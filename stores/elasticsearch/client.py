"""The way into Elasticsearch: TLS and credentials as every client of ours uses them, and in words why it refuses access."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from elastic_transport import TlsError
from elasticsearch import (
    ApiError,
    AsyncElasticsearch,
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    OrjsonSerializer,
)

from stores.elasticsearch.config import ElasticsearchConfig
from stores.store import AccessRefusedError
from telemetry.errors import ConfigError, StoreError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from elasticsearch import TransportError

    from telemetry.json_object import JsonObject


def connect(url: str, config: ElasticsearchConfig | None = None) -> AsyncElasticsearch:
    """A client of the cluster at a URL; user and password may stand in that, escaped. Nothing is asked of it yet.

    Raises:
        ConfigError: the URL or the CA file cannot be used; names the setting.
    """
    config = config or ElasticsearchConfig()
    settings: JsonObject = {"serializers": {OrjsonSerializer.mimetype: OrjsonSerializer()}}
    if url.startswith("https://"):
        settings["ssl_context"] = _context(config)
    elif config.ca_file or config.cert_file:
        setting = "ca_file" if config.ca_file else "cert_file"
        raise ConfigError(
            f"elasticsearch.{setting}: the store's URL begins with http://, and certificates are of use with https:// only"
        )
    if config.api_key.get_secret_value():
        settings["api_key"] = config.api_key.get_secret_value()
    elif config.username:
        settings["basic_auth"] = (config.username, config.password.get_secret_value())
    try:
        return AsyncElasticsearch(url, **settings)
    except ValueError:
        # The client's own words have the whole URL in them, password included.
        raise ConfigError("store: no URL of an Elasticsearch: one looks like https://HOST:9200") from None


def _context(config: ElasticsearchConfig) -> ssl.SSLContext:
    try:
        found = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise ConfigError(f"elasticsearch.ca_file: {config.ca_file}: no PEM file of certificates: {error}") from error
    if config.cert_file is not None:
        try:
            found.load_cert_chain(config.cert_file, config.key_file, password="")  # of an encrypted key: an error, no question
        except OSError as error:
            files = f"{config.cert_file}{f' and {config.key_file}' if config.key_file else ''}"
            raise ConfigError(f"elasticsearch.cert_file: {files}: no certificate with its key: {error}") from error
    return found


def refusal(error: ApiError | TransportError) -> StoreError:
    """What the client raised, as a person can act on it. `AccessRefusedError` where trying again is of no use."""
    match error:
        case TlsError():
            return AccessRefusedError(
                f"Elasticsearch's certificate is not trusted ({error.message}): elasticsearch.ca_file names the CAs to trust "
                "(default: the system's), and the store's URL the server as its certificate does; where it asks for one of "
                "ours, elasticsearch.cert_file has one that it trusts"
            )
        case AuthenticationException():
            return AccessRefusedError(
                "Elasticsearch does not know who we are (401): elasticsearch.api_key, or username and password, is wrong"
            )
        case AuthorizationException() if error.error == "security_exception":  # not a block of an index, which goes
            return AccessRefusedError(
                f"Elasticsearch forbids it (403): {error}: docs/deployment.md lists the privileges that are needed"
            )
        case ApiError():
            return StoreError(Wording.NOT_DONE(error=str(error)))
        case ConnectionTimeout():
            return StoreError(Wording.NO_ANSWER_IN_TIME(error=error.message))
        case _:
            return StoreError(Wording.NOT_REACHED(error=error.message))
