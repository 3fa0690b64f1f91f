"""Certificates of the control plane's port. Files that change are used by connections that come later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc
import structlog

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from components.tls import TlsConfig

log = structlog.get_logger(__name__)


def live_credentials(tls: TlsConfig) -> grpc.ServerCredentials:
    """What gRPC asks for at each handshake.

    Raises:
        ConfigError: a file cannot be read.
    """
    files = _Files(tls)
    return grpc.dynamic_ssl_server_credentials(
        files.first, files.changed, require_client_authentication=tls.client_ca is not None
    )


class _Files:
    """gRPC asks from threads of its own."""

    def __init__(self, tls: TlsConfig) -> None:
        self._tls, self._lock = tls, threading.Lock()
        self._stamps = self._read_stamps()
        try:
            self.first = self._read()
        except OSError as error:
            raise ConfigError(f"control.tls: {error}") from error

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files are now, if that is new; files that cannot be used leave what there was."""
        with self._lock:
            if (stamps := self._read_stamps()) == self._stamps:
                return None
            self._stamps = stamps
        try:
            found = self._read()
        except OSError as error:
            log.warning("certificate_unusable", port="control", reason=str(error), hint="the one before stays in use")
            return None
        log.info("certificate_read", port="control")
        return found

    def _read(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._tls.key.read_bytes(), self._tls.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration(
            [pair], self._tls.client_ca.read_bytes() if self._tls.client_ca is not None else None
        )

    def _read_stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._tls.certificate, self._tls.key, self._tls.client_ca))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else None
