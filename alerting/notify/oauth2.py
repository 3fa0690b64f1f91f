"""OAuth 2.0 by client credentials (RFC 6749, 4.4): a token for requests, asked for when there is none that still holds.

https://prometheus.io/docs/alerting/latest/configuration/#oauth2
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

import orjson

from alerting.notify.notification import DeliveryError
from alerting.notify.secret import read_secret
from components.secrets import SECRETS

if TYPE_CHECKING:
    import httpx2

    from alerting.notify.http_config import OAuth2Config
    from telemetry.json_object import JsonObject

EARLY = 10.0
"""Seconds before a token ends in which it is not used any more."""
HOLDS = 300.0
"""Seconds that a token is used that names no expiry."""
MAX_ANSWER = 64 << 10


class Tokens:
    """The token of one configuration."""

    def __init__(self, config: OAuth2Config) -> None:
        self._config = config
        self._asking = asyncio.Lock()
        self._token, self._until = "", 0.0

    def forget(self) -> None:
        """The token was refused."""
        self._token = ""

    async def get(self, client: httpx2.AsyncClient) -> str:
        """A token that holds.

        Raises:
            DeliveryError: the server returns none.
        """
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if not self._token or now >= self._until:
                if self._config.has_own_client:
                    async with self._config.client() as own:
                        answer = await self._ask(own)
                else:
                    answer = await self._ask(client)
                token = answer.get("access_token")
                if not isinstance(token, str) or not token:
                    raise DeliveryError("oauth2: the answer has no access_token", retry=True)
                holds = answer.get("expires_in")
                self._until = now + (max(float(holds) - EARLY, 0.0) if isinstance(holds, int | float) else HOLDS)
                self._token = token
                SECRETS.add_of_file(token)
            return self._token

    async def _ask(self, client: httpx2.AsyncClient) -> JsonObject:
        config = self._config
        secret = read_secret(config.client_secret, config.client_secret_file)
        form = {"grant_type": "client_credentials", **config.endpoint_params}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        who = base64.b64encode(f"{quote_plus(config.client_id)}:{quote_plus(secret)}".encode()).decode()
        SECRETS.add_of_file(who)
        answer = await self._post(client, form, {"Authorization": f"Basic {who}"})
        if answer is None:  # a server that expects the credentials in the form, as Go's client tries, too
            answer = await self._post(client, form | {"client_id": config.client_id, "client_secret": secret}, {})
        if answer is None:
            raise DeliveryError(f"oauth2: {config.token_url} does not accept the client", retry=False)
        return answer

    async def _post(self, client: httpx2.AsyncClient, form: dict[str, str], headers: dict[str, str]) -> JsonObject | None:
        """The answer; None: the client is refused."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        request = client.build_request("POST", self._config.token_url, content=urlencode(form), headers=headers, timeout=None)
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise DeliveryError("oauth2: the answer is too long", retry=False)
        finally:
            await response.aclose()
        if response.status_code in {400, 401}:
            return None
        if not response.is_success:
            raise DeliveryError(f"oauth2: HTTP {response.status_code}", retry=response.status_code >= 500)
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        return answer if isinstance(answer, dict) else {}
