"""A running console, as commands ask it: over its HTTP API, with the token of who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import httpx2

from spanloom.access.local_token import authorization
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.json_object import JsonObject

TIMEOUT_SECONDS = 30.0
OTHER = "is that the console of Spanloom?"

url_option = click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, envvar="SPANLOOM_URL", help="Console of a running pipeline."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class NotAnsweredError(SpanloomError):
    """The console cannot be reached, or refuses."""


def ask(url: str, path: str) -> JsonObject:
    """The object that it answers.

    Raises:
        NotAnsweredError: names what to do.
    """
    found = _request("GET", url, path)
    if not isinstance(found, dict):
        raise NotAnsweredError(f"{url}{path}: the answer is no object; {OTHER}")
    return found


def ask_list(url: str, path: str, parameters: Mapping[str, str | int | list[str]] | None = None) -> list[JsonObject]:
    """The objects that it answers.

    Raises:
        NotAnsweredError: names what to do.
    """
    found = _request("GET", url, path, parameters=parameters)
    if not isinstance(found, list):
        raise NotAnsweredError(f"{url}{path}: the answer is no list; {OTHER}")
    return found


def send(method: str, url: str, path: str, body: JsonObject | None = None) -> JsonObject:
    """Change something; the object that it answers, empty where it answers nothing.

    Raises:
        NotAnsweredError: names what to do.
    """
    found = _request(method, url, path, body=body)
    return found if isinstance(found, dict) else {}


def _request(
    method: str,
    url: str,
    path: str,
    *,
    parameters: Mapping[str, str | int | list[str]] | None = None,
    body: JsonObject | None = None,
) -> object:
    address = url.rstrip("/") + path
    try:
        answer = httpx2.request(
            method,
            address,
            params=parameters,
            headers=authorization(url),
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            json=body,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotAnsweredError(
            f"{address}: {str(error) or type(error).__name__}; start `spanloom up`, or name its console with --url"
        ) from error
    if answer.status_code in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
        raise NotAnsweredError(
            f"{address}: {answer.status_code} {_reason(answer)}; set SPANLOOM_TOKEN to a token with the right "
            "(`spanloom token new`), or SPANLOOM_DATA_DIR to the folder of the `spanloom up` on this machine"
        )
    if not answer.is_success:
        raise NotAnsweredError(f"{address}: {answer.status_code} {_reason(answer)}")
    if not answer.content:
        return None
    try:
        found: object = answer.json()
    except ValueError as error:
        raise NotAnsweredError(f"{address}: the answer is no JSON; {OTHER}") from error
    return found


def _reason(answer: httpx2.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        found = answer.text
    reason = found.get("error", found.get("reasons", found)) if isinstance(found, dict) else found
    return str(reason)[:500] or answer.reason_phrase
