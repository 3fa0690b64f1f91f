"""File descriptors: how many the process may have, and how many of them connections may take.

A connection costs a descriptor, and so do the log, the store and each request to another server. Those must never fail
because of connections: a part of the limit is kept back for them.
"""

from __future__ import annotations

import resource
from typing import Final

MAX_DESCRIPTORS: Final = 65_536
"""The soft limit is raised to the hard one, but no further than this: some libraries walk all descriptors before a fork."""

KEPT_BACK: Final = 512
"""Descriptors that connections may not take, or half of the limit where that is less."""


def raise_limit() -> int:
    """Raise the soft limit of open files as far as the hard one allows; returns the limit that now holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return descriptor_limit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def descriptor_limit() -> int:
    """How many descriptors the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, MAX_DESCRIPTORS)


def connections_within(configured: int, share: float, descriptors_each: int = 1) -> int:
    """How many connections a port may have: as configured, or fewer where the limit of open files is low.

    Args:
        configured: the limit that the configuration names.
        share: the port's part of the descriptors that are left for connections, from 0 to 1.
        descriptors_each: how many descriptors a connection costs.
    """
    limit = descriptor_limit()
    left = max(limit - KEPT_BACK, limit // 2)
    return max(1, min(configured, int(left * share) // descriptors_each))
