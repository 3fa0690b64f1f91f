"""Who we are to AWS: credentials as its tools find them, and requests signed with them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from alerting.notify.notification import DeliveryError
from alerting.notify.secret import read_secret
from components.durations import HOUR, MINUTE, SECOND
from components.secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from alerting.notify.http import Poster

EARLY = 5 * MINUTE
"""How long before they expire credentials of a role are asked for again, ns."""
VALID = HOUR
"""For how long credentials of a role are asked for, ns."""
FORM = "application/x-www-form-urlencoded; charset=utf-8"


class SigV4Config(BaseModel):
    """A region and an identity. What is open comes from the environment (AWS_*) and the files of AWS's tools."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str = ""
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    profile: str = ""
    role_arn: str = ""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key.get_secret_value()):
            raise ValueError("access_key and secret_key need each other")
        return self


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys, and until when they are good (ns; 0: for ever)."""

    access_key: str
    secret_key: str
    token: str = ""
    until: int = 0


def sign(method: str, url: str, body: bytes, identity: Credentials, region: str, service: str, now: int) -> dict[str, str]:
    """The headers of a request with a form that prove who sends it: Signature Version 4."""
    parts = urlsplit(url)
    time = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": FORM, "host": parts.netloc, "x-amz-date": time}
    if identity.token:
        headers["x-amz-security-token"] = identity.token
    names = ";".join(sorted(headers))
    canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join((method, parts.path or "/", parts.query, canonical, names, hashlib.sha256(body).hexdigest()))
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{identity.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    proof = f"AWS4-HMAC-SHA256 Credential={identity.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**{name: value for name, value in headers.items() if name != "host"}, "Authorization": proof}


class Identity:
    """Finds credentials, as AWS's tools do: as configured, of the environment, of a profile, of a role.

    Not those of the machine or task that it runs on: they would be asked for at an address of the network.
    """

    def __init__(self, config: SigV4Config, poster: Poster, environment: Mapping[str, str] | None = None) -> None:
        self._config, self._poster = config, poster
        self._environment = os.environ if environment is None else environment
        self._of_role: Credentials | None = None

    @property
    def region(self) -> str:
        """The region.

        Raises:
            DeliveryError: it is named nowhere.
        """
        region = self._config.region or self._environment.get("AWS_REGION") or self._environment.get("AWS_DEFAULT_REGION")
        region = region or self._read("config").get("region")
        if not region:
            raise DeliveryError("sigv4.region is not configured, nor AWS_REGION", retry=False)
        return region

    async def credentials(self, now: int) -> Credentials:
        """Those to use at a time (ns).

        Raises:
            DeliveryError: there are none, or AWS returns none for the role.
        """
        held = self._of_role
        if held is not None and now < held.until - EARLY:
            return held
        token_file, role = self._environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), self._environment.get("AWS_ROLE_ARN")
        found = self._own()
        if found is None and token_file and role:
            token = read_secret(SecretStr(""), Path(token_file))
            form = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": role, "WebIdentityToken": token}
            found = self._of_role = await self._assume(form, None, now)
        if found is None:
            raise DeliveryError("no credentials: neither sigv4.access_key nor AWS_ACCESS_KEY_ID nor a profile", retry=False)
        if self._config.role_arn:
            form = {"Action": "AssumeRole", "RoleArn": self._config.role_arn}
            found = self._of_role = await self._assume(form, found, now)
        return found

    def _own(self) -> Credentials | None:
        config, environment = self._config, self._environment
        if config.access_key:
            return Credentials(config.access_key, config.secret_key.get_secret_value())
        if environment.get("AWS_ACCESS_KEY_ID") and not config.profile:
            source: Mapping[str, str] = {name.lower(): value for name, value in environment.items() if name.startswith("AWS_")}
        else:
            source = self._read("credentials")
        key, secret = source.get("aws_access_key_id"), source.get("aws_secret_access_key")
        if not key or not secret:
            return None
        SECRETS.add_of_file(secret)
        return Credentials(key, secret, source.get("aws_session_token", ""))

    def _read(self, file: str) -> Mapping[str, str]:
        """The profile's section of a file of AWS's tools."""
        variable = {"credentials": "AWS_SHARED_CREDENTIALS_FILE", "config": "AWS_CONFIG_FILE"}[file]
        path = self._environment.get(variable) or Path(self._environment.get("HOME", "/")) / ".aws" / file
        profile = self._config.profile or self._environment.get("AWS_PROFILE") or "default"
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise DeliveryError(f"{path}: cannot be read: {error}", retry=True) from error
        names = (profile,) if file == "credentials" or profile == "default" else (f"profile {profile}",)
        return next((dict(parser[name]) for name in names if parser.has_section(name)), {})

    async def _assume(self, form: Mapping[str, str], identity: Credentials | None, now: int) -> Credentials:
        region = self.region
        url = self._environment.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.{domain(region)}/"
        seconds = str(VALID // SECOND)
        fields = {**form, "RoleSessionName": "spanloom", "DurationSeconds": seconds, "Version": "2011-06-15"}
        body = urlencode(fields).encode()
        headers = {"content-type": FORM} if identity is None else sign("POST", url, body, identity, region, "sts", now)
        answer = (await self._poster.request("POST", url, body, headers, read=True)).decode(errors="replace")
        found = {
            name: re.search(f"<{name}>([^<]+)</{name}>", answer) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        }
        key, secret, session = (match[1].strip() if match else "" for match in found.values())
        if not (key and secret and session):
            raise DeliveryError("STS gave no credentials", retry=True)
        for each in (secret, session):
            SECRETS.add_of_file(each)
        return Credentials(key, secret, session, now + VALID)


def domain(region: str) -> str:
    """That of the region's endpoints."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
