"""How a command asks a control plane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from spanloom.access.local_token import authorization
from spanloom.control_client import ControlClient
from spanloom.failure import Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry.json_object import JsonObject

url_option = click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    envvar="SPANLOOM_URL",
    help="URL of the console or the control plane.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def ask(url: str, work: Callable[[ControlClient], Awaitable[JsonObject]]) -> JsonObject:
    """What a control plane answers.

    Raises:
        ClickException: why it does not.
    """

    async def run() -> JsonObject:
        async with ControlClient(url, authorization(url)) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except SpanloomError as error:
        raise Failure.of(error) from error
