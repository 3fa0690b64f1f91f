"""A connection to the control plane, as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

if TYPE_CHECKING:
    from agent.config import ControlConfig

KEEPALIVE_MS: Final = 20_000
"""After so long without a word the link is tested; a cut one is noticed at most twice as late."""


def control_channel(config: ControlConfig) -> grpc.aio.Channel:
    """A new one; files of certificates are read again.

    Raises:
        OSError: one of them cannot be read.
    """
    options = (
        ("grpc.max_receive_message_length", config.max_snapshot_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.enable_http_proxy", 0),
    )
    if config.ca is None:
        return grpc.aio.insecure_channel(config.address, options)
    credentials = grpc.ssl_channel_credentials(
        config.ca.read_bytes(),
        config.key.read_bytes() if config.key else None,
        config.certificate.read_bytes() if config.certificate else None,
    )
    return grpc.aio.secure_channel(config.address, credentials, options)
