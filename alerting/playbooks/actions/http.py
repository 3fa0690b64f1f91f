"""Call an HTTP endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import httpx2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from alerting.notify.notification import DeliveryError
from alerting.notify.secret import read_secret
from alerting.playbooks.actions.action import ActionComponent, ActionError, no_dots
from components.component import ComponentKind, Stability
from components.secrets import SECRETS
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping


def _no_dots(url: str) -> str:
    no_dots(urlsplit(url).path)
    return url


Url = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_no_dots)]


class HttpArguments(BaseModel):
    """The request. An answer with any other status than `expect` (by default 2xx) is a failure; redirects are not followed.

    `headers_file` names files that hold the values of headers, so that secrets are nowhere else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    url: Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    headers_file: dict[str, Path] = {}
    content: object = Field(default=None, alias="json")
    expect: tuple[int, ...] = ()


class HttpCall:
    """Call an HTTP endpoint, with the step's key as `Idempotency-Key`.

    A step whose target heeds that header may say `idempotent: true`.
    """

    name = "http"
    idempotent = False
    arguments = HttpArguments

    async def run(self, arguments: HttpArguments, key: str) -> Mapping[str, str]:
        """Send the request and judge the answer."""
        where = f"{arguments.method} {arguments.url}"
        headers = {"Idempotency-Key": key, **arguments.headers}
        try:
            headers |= {name: read_secret(SecretStr(""), file) for name, file in arguments.headers_file.items()}
        except DeliveryError as error:
            raise ActionError(Wording.REQUEST_FAILED(request=where, error=str(error))) from error
        async with httpx2.AsyncClient(timeout=None) as client:
            try:
                request = client.build_request(arguments.method, arguments.url, headers=headers, json=arguments.content)
                answer = await client.send(request)
            # ValueError and TypeError: a header that is not ASCII, a body that JSON cannot hold.
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError) as error:
                raise ActionError(
                    Wording.REQUEST_FAILED(request=where, error=type(error).__name__), output=str(error)
                ) from error
        output = SECRETS.mask(answer.text[:2000])[:200]
        if answer.status_code not in arguments.expect if arguments.expect else not answer.is_success:
            raise ActionError(Wording.REQUEST_FAILED(request=where, error=answer.status_code), output=output)
        return {"status": str(answer.status_code), "output": output}


HTTP = ActionComponent(
    kind=ComponentKind.ACTION,
    name=HttpCall.name,
    build=lambda _, __: HttpCall(),
    summary="Call an HTTP endpoint, with an idempotency key.",
    stability=Stability.STABLE,
)
