"""How a receiver is reached over HTTP: TLS, authorization, proxy.

https://prometheus.io/docs/alerting/latest/configuration/#http_config
"""

from __future__ import annotations

import base64
import re
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

import httpx2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerting.notify.proxies import ByNetwork
from alerting.notify.secret import LocalPath, at_most_one, read_secret
from components.secrets import SECRETS
from telemetry.errors import ConfigError

TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class _HttpModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClientTls(_HttpModel):
    """Whom to trust, and who we are. Without `ca_file` the machine's authorities are trusted."""

    ca_file: LocalPath | None = None
    cert_file: LocalPath | None = None
    key_file: LocalPath | None = None
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: TlsVersion | None = None
    max_version: TlsVersion | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file need each other")
        return self

    def context(self) -> ssl.SSLContext:
        """The context for connections.

        Raises:
            ConfigError: a file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # of which SSLError is one
            raise ConfigError(f"tls_config: {self.ca_file or ''} {self.cert_file or ''}: cannot be used: {error}") from error
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.minimum_version = _VERSIONS[self.min_version or "TLS12"]
        if self.max_version is not None:
            context.maximum_version = _VERSIONS[self.max_version]
        return context


class BasicAuth(_HttpModel):
    """User and password."""

    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: LocalPath | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "password", "password_file")
        return self


class Authorization(_HttpModel):
    """A header `Authorization: type credentials`."""

    type: str = "Bearer"
    credentials: SecretStr = SecretStr("")
    credentials_file: LocalPath | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "credentials", "credentials_file")
        if self.type.strip().lower() == "basic":
            raise ValueError('type "basic" is what basic_auth is for')
        return self


def _http(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must be a URL of http or https")
    return url


class OAuth2Config(_HttpModel):
    """Who we are to an authorization server; without TLS and proxy of its own it is reached as the receiver is."""

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr = SecretStr("")
    client_secret_file: LocalPath | None = None
    scopes: tuple[str, ...] = ()
    token_url: Annotated[str, AfterValidator(_http)]
    endpoint_params: dict[str, str] = {}
    tls_config: ClientTls | None = None
    proxy_url: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "client_secret", "client_secret_file")
        return self

    @property
    def has_own_client(self) -> bool:
        """Whether it is reached otherwise than the receiver."""
        return self.tls_config is not None or bool(self.proxy_url.get_secret_value())

    def client(self) -> httpx2.AsyncClient:
        """A client to reach it.

        Raises:
            ConfigError: a certificate cannot be used.
        """
        context = (self.tls_config or ClientTls()).context()
        return httpx2.AsyncClient(verify=context, proxy=self.proxy_url.get_secret_value() or None, trust_env=False)


class HeaderValues(_HttpModel):
    """The values of one header: as they are, as secrets, and from files."""

    values: tuple[str, ...] = ()
    secrets: tuple[SecretStr, ...] = ()
    files: tuple[LocalPath, ...] = ()

    def text(self) -> str:
        """All of them, separated by commas.

        Raises:
            DeliveryError: a file cannot be read.
        """
        hidden = [read_secret(secret, None) for secret in self.secrets] + [read_secret(_NONE, file) for file in self.files]
        return ", ".join((*self.values, *hidden))


_NONE = SecretStr("")
_RESERVED = frozenset(
    {
        "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type", "host",
        "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent", "www-authenticate",
    }
)  # fmt: skip


def _free(headers: dict[str, HeaderValues]) -> dict[str, HeaderValues]:
    for name in headers:
        if name.lower() in _RESERVED:
            raise ValueError(f"setting the header {name} is not allowed")
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{name!r} is not the name of a header")
    return headers


Headers = Annotated[dict[str, HeaderValues], AfterValidator(_free)]


class HttpConfig(_HttpModel):
    """The client of one receiver, as in Alertmanager. What `bearer_token` says is an `authorization`; HTTP/2 is not spoken."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    proxy_url: SecretStr = SecretStr("")
    proxy_from_environment: bool = False
    no_proxy: str = ""
    proxy_connect_header: Headers = {}
    oauth2: OAuth2Config | None = None
    tls_config: ClientTls = ClientTls()
    follow_redirects: bool = True
    enable_http2: bool = True
    http_headers: Headers = {}

    @model_validator(mode="before")
    @classmethod
    def _bearer(cls, value: object) -> object:
        """The older way to write an authorization."""
        if not isinstance(value, dict) or not value.keys() & {"bearer_token", "bearer_token_file"}:
            return value
        if value.keys() & {"basic_auth", "authorization"}:
            raise ValueError("at most one of basic_auth, authorization and bearer_token can be configured")
        rest = {name: item for name, item in value.items() if not name.startswith("bearer_token")}
        old = {name: value.get(f"bearer_token{end}") for name, end in (("credentials", ""), ("credentials_file", "_file"))}
        return {**rest, "authorization": {name: item for name, item in old.items() if item is not None}}

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "basic_auth", "authorization", "oauth2")
        at_most_one(self, "proxy_url", "proxy_from_environment")
        if (self.no_proxy or self.proxy_connect_header) and not self.proxy_url.get_secret_value():
            raise ValueError("no_proxy and proxy_connect_header need a proxy_url")
        self._networks()
        return self

    @property
    def authorizes(self) -> bool:
        """Whether requests have an authorization of its own."""
        return self.basic_auth is not None or self.authorization is not None or self.oauth2 is not None

    def _networks(self) -> list[IPv4Network | IPv6Network]:
        """Networks whose addresses are reached without the proxy. A host that is named is not looked up for it.

        Raises:
            ValueError: one that is none.
        """
        try:
            return [ip_network(place, strict=False) for place in self.without_proxy() if "/" in place]
        except ValueError as error:
            raise ValueError(f"no_proxy: {error}") from None

    def headers(self) -> dict[str, str]:
        """Those of `http_headers`, and the one that authorizes a request, if any.

        Raises:
            DeliveryError: a file cannot be read.
        """
        return {name: values.text() for name, values in self.http_headers.items()} | self._authorization()

    def without_proxy(self) -> list[str]:
        """Hosts and networks that are reached without the proxy."""
        return [place.strip() for place in self.no_proxy.split(",") if place.strip()]

    def client(self) -> httpx2.AsyncClient:
        """A client of its own.

        Raises:
            ConfigError: a certificate cannot be used.
            DeliveryError: a file of a header for the proxy cannot be read.
        """
        url, direct = self.proxy_url.get_secret_value(), self.without_proxy()
        proxy: httpx2.Proxy | None = None
        if url and "*" not in direct:
            connect = {name: values.text() for name, values in self.proxy_connect_header.items()}
            proxy = httpx2.Proxy(url, headers=connect)
        named = [place for place in direct if "/" not in place]
        hosts = [host for place in named for host in ((place, f"*.{place}") if place[0] not in ".*" else (f"*.{place[1:]}",))]
        context = self.tls_config.context()
        mounts: dict[str, httpx2.AsyncBaseTransport] = {}
        if proxy is not None:
            mounts = {f"all://{host}": httpx2.AsyncHTTPTransport(verify=context) for host in hosts}
            mounts["all://"] = ByNetwork(
                self._networks(),
                httpx2.AsyncHTTPTransport(verify=context),
                httpx2.AsyncHTTPTransport(verify=context, proxy=proxy),
            )
        return httpx2.AsyncClient(verify=context, mounts=mounts or None, trust_env=self.proxy_from_environment)

    def _authorization(self) -> dict[str, str]:
        if self.basic_auth is not None:
            auth = self.basic_auth
            password = read_secret(auth.password, auth.password_file)
            encoded = base64.b64encode(f"{auth.username}:{password}".encode()).decode()
            SECRETS.add_of_file(encoded)
            return {"Authorization": f"Basic {encoded}"}
        if self.authorization is not None:
            given = self.authorization
            return {"Authorization": f"{given.type.strip()} {read_secret(given.credentials, given.credentials_file)}"}
        return {}
