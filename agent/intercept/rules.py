"""The rules of interception, as text for nftables."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config import InterceptConfig

TABLE, CLOSED = "spanloom", "spanloom_closed"


def rules(config: InterceptConfig, user: int) -> str:
    """One table for IPv4 and IPv6; it vanishes with the process that sets it.

    Left alone are connections of Envoy and of the agent (by user and group), those with the mark, those to this host itself,
    and what the configuration excludes.

    Args:
        config: of interception.
        user: user and group id of Envoy.
    """
    excluded = [f"meta skuid {user} return", f"meta skgid {user} return", f"meta mark {config.mark:#x} return"]
    chains = []
    if config.outbound:
        left = [*excluded, "fib daddr type local return", *_networks(config.exclude_networks, "daddr")]
        left += _ports(config.exclude_outbound_ports)
        chains.append(_chain("outbound", "nat hook output priority -100", [*left, _redirect(config.outbound_port)]))
    if config.inbound:
        left = [f"meta mark {config.mark:#x} return", "fib daddr type != local return"]
        left += [*_networks(config.exclude_networks, "saddr"), *_ports(config.exclude_inbound_ports)]
        chains.append(_chain("inbound", "nat hook prerouting priority -100", [*left, _redirect(config.inbound_port)]))
    # Who connects to Envoy's ports themselves would make it connect to itself, again and again.
    own = f"tcp dport {{ {config.outbound_port}, {config.inbound_port} }} ct status & dnat == 0 reject with tcp reset"
    chains.append(_chain("direct", "filter hook input priority 0", [own]))
    return "\n".join([f"table inet {TABLE} {{", "  flags owner", *chains, "}", ""])


def closed(ports: Iterable[int]) -> str:
    """A table of ports that others reach through Envoy alone; it stays, whatever ends, until `opened` replaces it.

    What Envoy gets has its port by then; what has an application's own came past it.
    """
    found = ", ".join(map(str, sorted(set(ports))))
    lines = ['iifname "lo" return', f"tcp dport {{ {found} }} reject with tcp reset"]
    return "\n".join([opened() + f"table inet {CLOSED} {{", _chain("input", "filter hook input priority 0", lines), "}", ""])


def opened() -> str:
    """Remove what `closed` has set, if anything."""
    return f"table inet {CLOSED}\ndelete table inet {CLOSED}\n"


def _chain(name: str, hook: str, lines: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", f"    type {hook}; policy accept;", *(f"    {line}" for line in lines), "  }"])


def _redirect(port: int) -> str:
    return f"meta l4proto tcp redirect to :{port}"


def _ports(ports: Iterable[int]) -> list[str]:
    found = ", ".join(map(str, sorted(set(ports))))
    return [f"tcp dport {{ {found} }} return"] if found else []


def _networks(networks: Iterable[str], side: str) -> list[str]:
    found = [ipaddress.ip_network(network) for network in networks]
    return [
        f"{'ip' if version == 4 else 'ip6'} {side} {{ {', '.join(map(str, same))} }} return"
        for version in (4, 6)
        if (same := [*ipaddress.collapse_addresses(one for one in found if one.version == version)])  # type: ignore[type-var]
    ]
