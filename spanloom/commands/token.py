"""`spanloom token`: tokens for people and programs."""

from __future__ import annotations

import json
import shlex

import click

from components.access.roles import Role
from components.access.tokens import new_token, token_hash
from spanloom.failure import Commands


@click.group(cls=Commands)
def token() -> None:
    """Make tokens for people and programs."""


@token.command()
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="Role of the token; ingest: send telemetry, nothing else.",
)
@click.option("--name", default="", help="Who uses it, as the audit trail names them (default: the role).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new(role: str, name: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Make a token: printed once, kept nowhere. The configuration gets its hash."""
    made = new_token()
    entry = {"name": name or role, "role": role, "hash": token_hash(made)}
    if as_json:
        click.echo(json.dumps({"token": made, **entry}))
        return
    click.echo(f"{made}\n")
    click.echo(
        "It is shown this once. Add its hash to the configuration, and send it as `Authorization: Bearer TOKEN`:\n", err=True
    )
    click.echo(f"access:\n  tokens:\n  - {json.dumps(entry, ensure_ascii=False)}")
    click.echo(f"\nor, as a variable:\n\nSPANLOOM_ACCESS__TOKENS={shlex.quote(json.dumps([entry]))}", err=True)
