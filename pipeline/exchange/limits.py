"""How large records may be."""

from __future__ import annotations

MAX_REQUEST = 4 << 20
"""Bytes of the largest record of a topic that we make. Our own stay below a quarter of it (see `codec.MAX_RECORD`); those
of others, and with them the dead letters, may be as large."""
