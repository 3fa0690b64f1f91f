"""The name that Envoy asks for in the certificate of whom it connects to."""

from __future__ import annotations

import ipaddress

SPIFFE = "spiffe://"


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def name_matcher(name: str) -> dict[str, object]:
    """A SubjectAltNameMatcher of exactly this host name, IP address, or SPIFFE id."""
    kind = "URI" if name.startswith(SPIFFE) else "IP_ADDRESS" if is_address(name) else "DNS"
    return {"san_type": kind, "matcher": {"exact": name}}
