"""Requests to receivers, with their errors: what may be tried again, and after how long. Redirects as Go follows them."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx2

from alerting.notify.notification import DeliveryError
from alerting.notify.oauth2 import Tokens
from components.secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from alerting.notify.http_config import HttpConfig

USER_AGENT = "Spanloom-Alerting"
TIMEOUT = 10.0
"""Seconds that a receiver has to answer, from the connection to the last byte that is read."""
SHOWN = 200
"""Characters that are shown of an answer that is no success."""
READ = 2000
"""Bytes that are read of it, so that no secret that it repeats is cut in half before it is masked; of a success, none."""
UNAUTHORIZED = 401
RETRIED = frozenset((408, 425, 429, *range(500, 600)))
MAX_RETRY_AFTER = 3600.0
"""Longest wait that a receiver may ask for, in seconds."""
MAX_REDIRECTS = 10
MAX_ANSWER = 1 << 20
"""Most bytes of an answer that is read for what it says."""
_FOR_ANYONE = frozenset(
    {"accept-encoding", "accept", "connection", "content-length", "content-type", "host", "idempotency-key", "user-agent"}
)
"""Headers without a secret: those that another host gets, too."""


_NO_COOKIES = DefaultCookiePolicy(allowed_domains=())


class Poster:
    """Posts for one receiver: over the client that all share, or over one of its own where its configuration asks for it.

    Args:
        client: shared; it stays its giver's to close.
        config: how this receiver is reached.
        timeout: seconds that it has to answer.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, client: httpx2.AsyncClient, config: HttpConfig | None, timeout: float = TIMEOUT) -> None:
        self._shared = client
        self._config = config
        self._timeout = timeout
        self._own: httpx2.AsyncClient | None = None
        self._tokens = Tokens(config.oauth2) if config is not None and config.oauth2 is not None else None
        if config is not None:
            config.tls_config.context()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Post JSON.

        Raises:
            DeliveryError: no answer, or one that is not 2xx.
        """
        await self.request("POST", url, content, headers)

    async def request(
        self, method: str, url: str, content: bytes = b"", headers: Mapping[str, str] | None = None, *, read: bool = False
    ) -> bytes:
        """What is answered, if it is to be read; of the request's content the type is JSON unless the headers say another.

        Raises:
            DeliveryError: no answer, one that is not 2xx, or a longer one than `MAX_ANSWER`.
        """
        try:
            async with asyncio.timeout(self._timeout), self._answer(method, url, content, headers or {}) as response:
                if response.status_code == UNAUTHORIZED and self._tokens is not None:
                    self._tokens.forget()
                if not response.is_success:
                    raise await _refusal(response)
                return await _answered(response) if read else b""
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout:g} s", retry=True) from None
        except UnicodeEncodeError:  # its text has the whole header
            raise DeliveryError(
                "a header, of the configuration or a token, has characters that are not ASCII", retry=False
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            retry = not isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol)
            raise DeliveryError(f"{type(error).__name__}: {error}", retry=retry) from error

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """The last answer: a redirect where it is not to be followed. 301, 302, 303 lead to a GET, 307 and 308 repeat."""
        config = self._config
        own = config.headers() if config is not None else {}
        name = config.tls_config.server_name if config is not None else ""
        client = self._client()
        if self._tokens is not None:
            own["Authorization"] = f"Bearer {await self._tokens.get(client)}"
        request = client.build_request(
            method,
            url,
            content=content or None,
            headers={"Content-Type": "application/json", "User-Agent": USER_AGENT, **headers, **own},
            timeout=None,
            extensions={"sni_hostname": name} if name else None,
        )
        for _ in range(MAX_REDIRECTS + 1):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                following = None if config is not None and not config.follow_redirects else response.next_request
                if following is None:
                    yield response
                    return
            finally:
                await response.aclose()
            request = _redirected(request, following)
        raise DeliveryError(f"more than {MAX_REDIRECTS} redirects", retry=True)

    def _client(self) -> httpx2.AsyncClient:
        config = self._config
        if config is None:
            client = self._shared
        else:
            if self._own is None:  # again after `close`: who sends may be started again
                self._own = config.client()
            client = self._own
        # As Alertmanager: what one receiver sets would be sent for others on its host, and may be no header that can be sent.
        client.cookies.jar.set_policy(_NO_COOKIES)
        return client

    async def close(self) -> None:
        """Let go of connections of its own. Safe twice."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()


def _redirected(request: httpx2.Request, following: httpx2.Request) -> httpx2.Request:
    """The request that a redirect asks for: never from HTTPS to HTTP, and to another host without whatever may be secret."""
    if request.url.scheme == "https" and following.url.scheme != "https":
        raise DeliveryError(f"the redirect to {following.url.host} leaves HTTPS: not followed", retry=False)
    if (request.url.scheme, request.url.host, request.url.port) != (
        following.url.scheme, following.url.host, following.url.port,
    ):  # fmt: skip
        for name in [name for name in following.headers if name.lower() not in _FOR_ANYONE]:
            del following.headers[name]
    return following


async def _answered(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise DeliveryError(f"an answer of more than {MAX_ANSWER} bytes", retry=False)
    return body


async def _refusal(response: httpx2.Response) -> DeliveryError:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk[:READ]
        if len(body) >= READ:
            break
    text = SECRETS.mask(body[:READ].decode(errors="replace"))[:SHOWN].replace("\n", " ")
    wait = retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
    return DeliveryError(f"HTTP {response.status_code}: {text}", retry=response.status_code in RETRIED, retry_after=wait)


def retry_after(value: str, date: str) -> float:
    """Seconds of a Retry-After header: a number, or a date, which counts from the answer's own Date. 0 if unreadable."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            until, since = parsedate_to_datetime(value), parsedate_to_datetime(date)
        except ValueError:
            return 0.0
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - since.replace(tzinfo=since.tzinfo or UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if not math.isnan(seconds) else 0.0
