"""Roles, and the rights that they give."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What a request may need."""

    READ = "read"
    OPERATE = "operate"
    ADMINISTER = "administer"
    INGEST = "ingest"


class Role(StrEnum):
    """What a person or a program is. Each of viewer, operator and admin may all that the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    INGEST = "ingest"
    """Sends telemetry, and may nothing else."""

    def has(self, right: Right) -> bool:
        """Whether the role gives the right."""
        return right in _RIGHTS[self]


_RIGHTS = {
    Role.INGEST: frozenset({Right.INGEST}),
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: frozenset({Right.READ, Right.OPERATE}),
    Role.ADMIN: frozenset({Right.READ, Right.OPERATE, Right.ADMINISTER, Right.INGEST}),
}

RANK = (Role.INGEST, Role.VIEWER, Role.OPERATOR, Role.ADMIN)
"""Of several roles that a login names, the last counts."""
