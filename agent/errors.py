"""Errors of the agent."""

from __future__ import annotations

from telemetry.errors import SpanloomError, UnrecoverableError


class EnvoyMissingError(UnrecoverableError):
    """There is no Envoy on this machine."""


class EnvoyError(SpanloomError):
    """Envoy did not start, or does not answer."""


class InterceptError(SpanloomError):
    """Rules could not be set; the message is that of nftables."""
