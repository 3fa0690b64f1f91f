"""Call an HTTP endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import ActionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Arguments(BaseModel):
    """The request. An answer with any other status than `expect` (by default 2xx) is a failure; redirects are not followed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    url: str = Field(pattern=r"^https?://")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    content: Any = Field(default=None, alias="json")
    expect: tuple[int, ...] = ()


class HttpCall:
    """Call an HTTP endpoint, with the step's key as `Idempotency-Key`.

    A step whose target heeds that header may say `idempotent: true`.
    """

    name = "http"
    idempotent = False
    arguments = Arguments

    async def run(self, arguments: Arguments, key: str) -> Mapping[str, str]:
        """Send the request and judge the answer."""
        where = f"{arguments.method} {arguments.url}"
        headers = {"Idempotency-Key": key, **arguments.headers}
        async with httpx2.AsyncClient(timeout=None) as client:
            try:
                answer = await client.request(arguments.method, arguments.url, headers=headers, json=arguments.content)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise ActionError(f"{where}: {type(error).__name__}: {error}") from error
        if answer.status_code not in arguments.expect if arguments.expect else not answer.is_success:
            raise ActionError(f"{where}: {answer.status_code}: {answer.text[:200]}")
        return {"status": str(answer.status_code), "body": answer.text[:200]}
