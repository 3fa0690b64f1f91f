"""Keeps secrets out of logs, documents and answers: those of the configuration by value, and what looks like one in a URL.

`SECRETS` is the process's own, as the root logger is: whoever reads a secret adds it, and whatever is written passes `mask`.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"

SHORTEST = 4
"""Characters that a secret has at least: a shorter one is part of too many words."""

SHORTEST_PART = 8
"""Characters of a segment of a secret URL that counts as secret by itself."""

_KNOWN_SCHEMES = frozenset({"http", "https", "postgres", "postgresql"})
"""Of URLs whose host is a host. Of another, such as tgram://TOKEN/CHAT, it may be the token."""

MAX_SECRETS, MAX_FROM_FILES = 10_000, 1_000
"""Texts that are looked for: of the configuration, more of which are counted in `dropped`, and of files."""

_PART = re.compile(r"(?=.*[0-9A-Z]).{8,}|.{20,}")
"""A segment of a path that is no plain word."""

_HOOKS = (
    r"hooks\.slack\.com|[\w.-]*\.webhook\.office\.com|outlook\.office(?:365)?\.com|(?:\w+\.)?discord(?:app)?\.com|api\.telegram\.org"
    r"|chat\.googleapis\.com|hooks\.zapier\.com|[\w.-]+\.logic\.azure\.com|events\.pagerduty\.com/integration|maker\.ifttt\.com"
    r"|open\.(?:feishu|larksuite)\.(?:cn|com)|oapi\.dingtalk\.com|qyapi\.weixin\.qq\.com|alert\.victorops\.com|hooks\.spotify\.com"
)
_PATTERNS = (
    # The password of a URL; what stands alone before the @ may be a token.
    (re.compile(r"(?<![\w.+-])([a-zA-Z][\w.+-]*://[^\s/?#@:\"'<>]*:)(?!\*+@)[^\s/?#\"'<>]*@"), rf"\1{MASK}@"),
    (re.compile(r"(?<![\w.+-])([a-zA-Z][\w.+-]*://)[^\s/?#@:\"'<>]+@"), rf"\1{MASK}@"),
    (re.compile(rf"(https?://(?:{_HOOKS}))(?::\d+)?/[^\s\"'<>\\]*", re.IGNORECASE), rf"\1/{MASK}"),
    (
        re.compile(
            r"([?&;](?:[\w.-]*(?:token|secret|passw(?:or)?d|pwd|signature|apikey|api[_-]key|credential|auth)[\w.-]*|key|sig|code)=)"
            r"[^\s&#;\"'<>\\]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer|basic|apikey|genie-?key)(\s+)(?=[\w.~+/=-]*[\d=])[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1\2{MASK}"),
    (
        re.compile(
            r"((?:proxy-)?authorization|x-api-key|api-key|x-auth-token|set-cookie|cookie)"
            r"([\"']?\s*[:=,]\s*b?[\"']?)(?=[^\s\"',;]*\d)[^\s\"',;]{8,}",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"\bspanloom_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"), MASK),
)


class Secrets:
    """What must not be shown."""

    def __init__(self) -> None:
        self.dropped = 0
        self._texts: set[str] = set()
        self._rotating: dict[str, None] = {}  # the longest not read first
        self._changing = threading.RLock()  # what sends mail reads its password in a thread
        self._pattern: re.Pattern[str] | None = None

    def add_of_file(self, secret: str) -> None:
        """Never show what a file holds just now. Of files whose secrets change often, the longest not read are evicted."""
        with self._changing:
            known = set(self._texts)
            self.add(secret)
            for text in self._texts - known:
                self._texts.discard(text)
                self._rotating[text] = None
            for text in _writings(secret) & self._rotating.keys():
                self._rotating[text] = self._rotating.pop(text)
            while len(self._rotating) > MAX_FROM_FILES:
                del self._rotating[next(iter(self._rotating))]
                self._pattern = None

    def add(self, secret: str) -> None:
        """Never show this text, however it is written; of a URL, nor any part of it that could be a secret alone."""
        self._add(secret)
        for line in secret.splitlines():
            if len(line.strip()) >= len("-----END KEY-----"):  # the lines of a key, or the one of a file
                self._add(line.strip())
        if "://" in secret:
            self._add_url(secret)

    def add_pair(self, user: str, password: str) -> None:
        """Never show a password, nor the two as an `Authorization: Basic` has them."""
        self.add(password)
        if password:
            self._add(base64.b64encode(f"{user}:{password}".encode()).decode())

    def add_all(self, value: object) -> None:
        """Every secret of a configuration: what is a `SecretStr`, and user, password and query of whatever is a URL."""
        if isinstance(value, SecretStr):
            self.add(value.get_secret_value())
        elif isinstance(value, BaseModel):
            fields = dict(value)
            for name, item in fields.items():
                self.add_all(item)
                if isinstance(item, SecretStr) and "password" in name:
                    user = fields.get(name.replace("password", "username"))
                    self.add_pair(user if isinstance(user, str) else "", item.get_secret_value())
        elif isinstance(value, dict):
            self._add_each(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            self._add_each(value)
        elif isinstance(value, str) and "://" in value:
            self._add_credentials(value)

    def mask(self, text: str) -> str:
        """The text with stars in place of every secret."""
        for pattern, stars in _PATTERNS:
            text = pattern.sub(stars, text)
        with self._changing:
            if self._pattern is None and (self._texts or self._rotating):
                longest_first = sorted(self._texts | self._rotating.keys(), key=lambda each: (-len(each), each))
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            found = self._pattern
        return found.sub(MASK, text) if found is not None else text

    def mask_data(self, value: Any) -> Any:
        """Plain data with stars in place of every secret, in keys too."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(key) if isinstance(key, str) else key: self.mask_data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.mask_data(item) for item in value]
        return value

    def _add_each(self, values: Iterable[object]) -> None:
        for value in values:
            self.add_all(value)

    def _add(self, text: str) -> None:
        if len(text) < SHORTEST or text == MASK:
            return
        with self._changing:
            for each in _writings(text) - self._texts - self._rotating.keys():
                if len(self._texts) >= MAX_SECRETS:
                    self.dropped += 1
                    return
                self._texts.add(each)
                self._pattern = None

    def _add_url(self, url: str) -> None:
        """A URL that is a secret: without its scheme, its path, and the parts of both that are no words."""
        scheme, _, rest = url.partition("://")
        self._add(rest)
        self._add_credentials(url)
        host, _, path = rest.partition("/")
        if len(path) >= SHORTEST_PART:
            self._add("/" + path)
        parts = re.split(r"[/?#&=:@,;]", path)
        if scheme.lower() not in _KNOWN_SCHEMES:
            parts += re.split(r"[:@]", host)
        for part in parts:
            if _PART.fullmatch(part):
                self._add(part)
                self._add(unquote(part))

    def _add_credentials(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            user, password = parts.username or "", parts.password or ""
            values = [value for _, value in parse_qsl(parts.query)]
        except ValueError:
            return
        if password:
            self.add_pair(unquote(user), unquote(password))
            self._add(password)
        for value in values:
            if len(value) >= SHORTEST_PART:
                self._add(value)


def _writings(text: str) -> set[str]:
    """How a text may come to be written."""
    return {
        text, quote(text, safe=""), quote(text), quote_plus(text), quote(text, safe="%/:=&?~#+!$,;'@()*[]"),
        html.escape(text), repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1],
        base64.b64encode(text.encode(errors="replace")).decode().rstrip("="),
    }  # fmt: skip


SECRETS = Secrets()
"""Those of this process."""
