"""Names of workloads as SPIFFE writes them: spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE."""

from __future__ import annotations

DEFAULT_NAMESPACE = "default"


def spiffe_id(trust_domain: str, service: str) -> str:
    """The id of a service, NAME or NAMESPACE/NAME; one that is already written out stays as it is."""
    if service.startswith("spiffe://"):
        return service
    namespace, _, name = service.rpartition("/")
    return f"spiffe://{trust_domain}/ns/{namespace or DEFAULT_NAMESPACE}/sa/{name}"
