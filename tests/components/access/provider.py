"""A small OpenID Connect provider on loopback: discovery, keys, authorization code with PKCE, signed tokens."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64decode
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from components.http.server import HttpServer

if TYPE_CHECKING:
    from typing import Self

    from starlette.requests import Request

CLIENT, SECRET = "spanloom", "a secret of both"


class Provider:
    """Whoever comes logs in as `who`; from entering to leaving.

    Args:
        now: nanoseconds since the epoch.
        port: to listen on again after a stop.
    """

    def __init__(self, now: Any, port: int = 0) -> None:
        self._now = now
        self.keys: dict[str, RSAKey | ECKey] = {"one": RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})}
        self.who: dict[str, Any] = {"sub": "1", "preferred_username": "ann", "realm": {"roles": ["staff", "sre"]}}
        self.change: dict[str, Any] = {}  # of the ID token
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.metadata: dict[str, Any] = {}  # what it says of itself otherwise
        self.asked: list[str] = []
        self.answering, self.asking = asyncio.Event(), asyncio.Event()
        self.answering.set()
        self._codes: dict[str, dict[str, str]] = {}
        table = [
            ("/.well-known/openid-configuration", self._discovery),
            ("/keys", self._keys),
            ("/authorize", self._authorize),
            ("/token", self._token),
        ]
        routes = [Route(path, handler, methods=["POST" if path == "/token" else "GET"]) for path, handler in table]
        self.server = HttpServer(Starlette(routes=routes), "provider", "127.0.0.1", port)

    @property
    def issuer(self) -> str:
        return self.server.url

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    def sign(self, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """A token for us, but for what is said otherwise; a claim of None is left out."""
        now = self._now() // 1_000_000_000
        whole = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, **self.who, **(claims or {})}
        whole = {name: value for name, value in whole.items() if value is not None}
        found = {**self.header, **header}
        return jwt.encode(found, whole, self.keys[found["kid"]], algorithms=[found["alg"]])

    async def _discovery(self, _: Request) -> Response:
        self.asked.append("discovery")
        if not self.answering.is_set():
            self.asking.set()
            await self.answering.wait()
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return JSONResponse(said | self.metadata)

    async def _keys(self, _: Request) -> Response:
        return JSONResponse(KeySet(list(self.keys.values())).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == ("code", "S256", CLIENT)
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self._codes.pop(form["code"], None)
        basic = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        good = (
            asked is not None
            and sha256(basic.encode()).digest() == sha256(f"{CLIENT}:{SECRET}".encode()).digest()
            and form["grant_type"] == "authorization_code"
            and form["redirect_uri"] == asked["redirect_uri"]
            and create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
        )
        if not good or asked is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.sign({"nonce": asked["nonce"], **self.change})
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": token, "expires_in": 300})
