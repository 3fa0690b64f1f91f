"""Which agents may be what they say: only those get the keys of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.spiffe import spiffe_id

if TYPE_CHECKING:
    import grpc.aio


class ByCertificate:
    """An agent shows a certificate with the SPIFFE id of its service, or comes over the Unix socket in a closed folder."""

    def __init__(self, trust_domain: str) -> None:
        self._trust_domain = trust_domain

    def admit(self, service: str, context: grpc.aio.ServicerContext) -> str:
        """Why a peer may not be an agent of a service; empty if it may."""
        if context.peer().startswith("unix:"):
            return ""
        wanted = spiffe_id(self._trust_domain, service)
        shown = [name.decode(errors="replace") for name in context.auth_context().get("x509_subject_alternative_name", ())]
        if wanted in shown:
            return ""
        return f"it has to show a certificate of {wanted}; it shows {', '.join(shown) or 'none'}"
