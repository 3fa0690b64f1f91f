"""An OpenID Connect provider: the login of people by authorization code with PKCE, and its tokens at the API."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from components.access.identity import Identity
from components.access.oidc.errors import OidcError, TokenRefusedError
from components.access.roles import RANK
from components.sender import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.access.config import OidcConfig
    from telemetry.json_object import JsonObject

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by public keys. With a shared secret whoever can check a token could make one."""

LEEWAY_SECONDS = 60
KEYS_SECONDS = 3600.0
"""After so long its keys are fetched again, so that one that it withdrew counts no more; if it is away, after twice as long."""

RETRY_SECONDS = 30.0
"""An unknown key makes us ask again, but not more often than this: tokens with made-up keys are cheap."""

TIMEOUT_SECONDS = 10.0
MAX_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that a browser was sent away for."""

    url: str
    state: str
    verifier: str
    nonce: str


class OidcProvider:
    """A provider, as found at its issuer's address.

    Args:
        config: what is known of it.
        now: nanoseconds since the epoch.
    """

    def __init__(self, config: OidcConfig, now: Callable[[], int]) -> None:
        self._config, self._now = config, now
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._asking = asyncio.Lock()
        self._metadata: JsonObject = {}
        self._keys = KeySet([])
        self._asked_at: int | None = None
        self._fetched_at: int | None = None
        self._trouble = ""

    @property
    def issuer(self) -> str:
        """Its name."""
        return self._config.issuer

    async def close(self) -> None:
        """End its connections."""
        await self._client.aclose()

    async def begin(self, redirect_url: str) -> Begun:
        """Where a browser goes to log in.

        Raises:
            OidcError: the provider cannot be asked.
        """
        await self._ask(KEYS_SECONDS)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            client_id=self._config.client_id,
            response_type="code",
            redirect_uri=redirect_url,
            scope=" ".join(self._config.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Begun(url, state, verifier, nonce)

    async def finish(self, begun: Begun, code: str, redirect_url: str) -> Identity:
        """Who logged in.

        Raises:
            TokenRefusedError: nobody, or nobody who may anything.
            OidcError: the provider cannot be asked.
        """
        answer = await self._exchange(begun, code, redirect_url)
        if answer.status_code != httpx2.codes.OK:
            raise TokenRefusedError(f"{self.issuer} refused the login's code: {answer.status_code}")
        try:
            answered = answer.json()
            token, access_token = str(answered["id_token"]), answered.get("access_token")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OidcError(f"{self.issuer}: its answer to the login has no ID token") from error
        decoded = await self._decoded(token)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self._config.client_id},
            },
            params={"nonce": begun.nonce, "client_id": self._config.client_id, "access_token": access_token},
        )
        try:
            claims.validate(int(self._now() / 1e9), LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            raise TokenRefusedError(f"the ID token of {self.issuer} does not hold: {error}") from error
        return self._identity(decoded.claims)

    async def verify(self, token: str) -> Identity:
        """Who sends a token.

        Raises:
            TokenRefusedError: it does not hold.
            OidcError: the provider cannot be asked.
        """
        decoded = await self._decoded(token)
        registry = jwt.JWTClaimsRegistry(
            now=int(self._now() / 1e9),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._config.audience or self._config.client_id},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRefusedError(f"the token does not hold: {error}") from error
        return self._identity(decoded.claims)

    async def _exchange(self, begun: Begun, code: str, redirect_url: str) -> httpx2.Response:
        await self._ask(KEYS_SECONDS)
        secret = self._config.client_secret
        methods = self._metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        auth = ClientAuth(self._config.client_id, secret.get_secret_value() if secret else "", method if secret else "none")
        body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_url, code_verifier=begun.verifier)
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", self._endpoint("token_endpoint"), headers, body)
        try:
            return await self._client.post(url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise OidcError(f"{url}: {error!r}") from error

    async def _decoded(self, token: str) -> jwt.Token:
        if len(token) > MAX_TOKEN:
            raise TokenRefusedError("the token is too long")
        await self._ask(KEYS_SECONDS)
        try:
            return jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError):
            await self._ask(RETRY_SECONDS)  # it may have new keys
        try:
            return jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise TokenRefusedError(f"the token is none of {self.issuer}: {error}") from error

    async def _ask(self, older_than: float) -> None:
        """Fetch what the provider says of itself and its keys, unless that was done within these seconds.

        Raises:
            OidcError: it cannot be asked.
        """
        if self._fetched_at is not None and self._now() - self._fetched_at < older_than * 1e9:
            return  # whoever has a known key waits for nobody who has not
        async with self._asking:
            now = self._now()
            wanted = self._fetched_at is None or now - self._fetched_at >= older_than * 1e9
            if wanted and (self._asked_at is None or now - self._asked_at >= RETRY_SECONDS * 1e9):
                self._asked_at = now
                try:
                    await self._fetch()
                    self._fetched_at, self._trouble = now, ""
                except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                    self._trouble = f"{self.issuer}: cannot be asked: {str(error) or type(error).__name__}"
            if self._fetched_at is None or now - self._fetched_at >= 2 * KEYS_SECONDS * 1e9:
                raise OidcError(self._trouble)

    async def _fetch(self) -> None:
        metadata = await self._json(get_well_known_url(self.issuer, external=True))
        if metadata["issuer"] != self.issuer:
            raise ValueError(f"it calls itself {metadata['issuer']!r}: set access.oidc.issuer to that")
        keys = KeySet.import_key_set(await self._json(_secure(metadata["jwks_uri"])))
        self._metadata, self._keys = metadata, keys

    async def _json(self, url: str) -> Any:
        answer = await self._client.get(url)
        answer.raise_for_status()
        return answer.json()

    def _endpoint(self, name: str) -> str:
        try:
            return _secure(self._metadata[name])
        except (KeyError, ValueError) as error:
            raise OidcError(f"{self.issuer}: {name}: {error}") from error

    def _identity(self, claims: JsonObject) -> Identity:
        config = self._config
        claim: Any = claims
        for step in config.role_claim.split("."):
            claim = claim.get(step) if isinstance(claim, dict) else None
        values = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
        roles = {config.roles[value] for value in values if isinstance(value, str) and value in config.roles}
        named = claims.get(config.name_claim)
        name = named if isinstance(named, str) and named.strip() else str(claims.get("sub", ""))
        if not roles or not name:
            raise TokenRefusedError(f"{name or 'nobody'} has none of the {config.role_claim} that access.oidc.roles names")
        return Identity(name, max(roles, key=RANK.index), "oidc")


def _secure(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{url} is not https")
    return url
