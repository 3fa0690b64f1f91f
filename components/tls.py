"""TLS of the ports: OTLP over gRPC and HTTP, and the console. Files that change are read again."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 10.0
"""Seconds between checks of the files."""

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsConfig(BaseModel):
    """A certificate to show, and whose clients to accept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path = Field(description="PEM file with the server's certificate and those between it and its CA.")
    key: Path = Field(description="PEM file with the certificate's private key, without a password.")
    client_ca: Path | None = Field(
        default=None,
        description="PEM file of the CAs whose clients are accepted (mTLS). Without it clients need no certificate.",
    )
    min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest version of TLS that is spoken.")


class ServerTls:
    """The TLS context of a port. When its files change, connections that come later get the new ones.

    Args:
        config: the files.
        port: what the port is called in messages, such as `otlp_http`.
        protocols: for ALPN, the preferred first.
        now: seconds of a clock that never goes back.

    Raises:
        ConfigError: a file cannot be used; names it, and why.
    """

    def __init__(
        self, config: TlsConfig, port: str, protocols: tuple[str, ...] = (), now: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._port = port
        self._protocols = protocols
        self._now = now
        self._stamp = self._read_stamp()
        self._context = self._build()
        self._looked = now()

    def context(self) -> ssl.SSLContext:
        """The context for a new connection."""
        if self._now() - self._looked >= CHECK_SECONDS:
            self._looked = self._now()
            before, self._stamp = self._stamp, self._read_stamp()
            if self._stamp != before:
                self._reload()
        return self._context

    def _reload(self) -> None:
        """Use the new files; where they cannot be used, the old ones go on, and it is tried again when they change again."""
        try:
            self._context = self._build()
        except ConfigError as error:
            log.error("tls_reload_failed", reason=str(error), hint="the certificate before it stays in use")  # noqa: TRY400
        else:
            log.info("tls_reloaded", port=self._port, certificate=str(self._config.certificate))

    def _read_stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._config.certificate, self._config.key, self._config.client_ca))

    def _build(self) -> ssl.SSLContext:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[config.min_version]
        context.options |= ssl.OP_NO_RENEGOTIATION  # a client could make us work for nothing
        for name, path in (("certificate", config.certificate), ("key", config.key), ("client_ca", config.client_ca)):
            if path is not None:
                self._must_be_readable(name, path)
        try:
            context.load_cert_chain(config.certificate, config.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise self._wrong("certificate", config.certificate, f"and key {config.key}: {_reason(error)}") from error
        if config.client_ca is not None:
            try:
                context.load_verify_locations(config.client_ca)
            except OSError as error:
                raise self._wrong("client_ca", config.client_ca, f"holds no CA certificate in PEM: {_reason(error)}") from error
            context.verify_mode = ssl.CERT_REQUIRED
        if self._protocols:
            context.set_alpn_protocols(list(self._protocols))
        return context

    def _must_be_readable(self, name: str, path: Path) -> None:
        try:
            text = path.read_bytes()
        except OSError as error:
            raise self._wrong(name, path, f"cannot be read: {error.strerror or error}") from error
        if b"-----BEGIN" not in text:
            raise self._wrong(name, path, "is not PEM: it has no -----BEGIN line")

    def _wrong(self, name: str, path: Path, reason: str) -> ConfigError:
        return ConfigError(f"{self._port}.tls.{name}: {path}: {reason}")


def peer_subject(connection: Any) -> str | None:
    """Who a client's certificate was issued to: its SPIFFE id or other URI, else its common name; None without one.

    Args:
        connection: an `ssl.SSLObject` of a context that verified the certificate.
    """
    certificate = connection.getpeercert() if connection is not None else None
    if not certificate:
        return None
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    names += [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    names += [value for _, value in certificate.get("subjectAltName", ())]
    return str(names[0]) if names else "unnamed"


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None


def _no_password() -> str:
    raise ValueError("the key has a password, and there is nobody to ask for it; take a key without one")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return str(reason or error).replace("_", " ").lower() if reason else str(error)
