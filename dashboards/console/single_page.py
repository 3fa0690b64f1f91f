"""The console's built page and its files, wherever a proxy has put them."""

from __future__ import annotations

import asyncio
import gzip
import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

BUILT: Final = Path(__file__).with_name("static")
"""What `make console` makes from the sources beside it."""

PAGES: Final = (
    *("services", "map", "traces", "logs", "explore", "incidents", "alerts", "rules", "fleet", "system"),
    *("anomalies", "repairs"),  # addresses of an older console, which lead to the pages that have it now
)
"""At these addresses and all below them, and at the root, is the page; what it shows there is for its own router."""

KEEP: Final = "public, max-age=31536000, immutable"
"""A file's name has the hash of its content."""

_TIME: Final = '<meta name="server-time" content="0" />'
_BASE: Final = '<base href="/" />'
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}
"""Not the machine's own list: browsers run no module of another type."""


@dataclass(frozen=True, slots=True)
class SinglePage:
    """Answers with the page at the addresses of `PAGES`, and with its files.

    Args:
        now: nanoseconds since the epoch. The page learns it: its ranges of time end now.
        built: the folder of `index.html` and `assets/`. Files are read once, on first demand, and kept compressed.
    """

    now: Callable[[], int]
    built: Path = BUILT
    _files: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)

    def routes(self) -> list[BaseRoute]:
        """Of the page and its files."""
        return [
            Route("/", self._page),
            Route("/assets/{name}", self._asset),
            *(Route(f"/{page}{below}", self._page) for page in PAGES for below in ("", "/{rest:path}")),
        ]

    async def _page(self, request: Request) -> Response:
        text = (await asyncio.to_thread((self.built / "index.html").read_bytes)).decode()
        base = html.escape(_outside(request) + "/")
        time = _TIME.replace("0", str(self.now() // 1_000_000))
        text = text.replace(_BASE, f'<base href="{base}" />').replace(_TIME, time)
        return Response(text, media_type="text/html", headers={"cache-control": "no-cache"})

    async def _asset(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        media_type = _TYPES.get(Path(name).suffix, "application/octet-stream")
        if name not in self._files:
            # Only what is there is kept, so that names which strangers make up fill no memory.
            found = await asyncio.to_thread(_read, self.built / "assets", name)
            if found is None:
                return Response("no such file of this version: reload the page", 404, media_type="text/plain")
            self._files[name] = found
        plain, compressed = self._files[name]
        headers = {"cache-control": KEEP, "vary": "accept-encoding"}
        if compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(compressed, media_type=media_type, headers=headers | {"content-encoding": "gzip"})
        return Response(plain, media_type=media_type, headers=headers)


def _read(folder: Path, name: str) -> tuple[bytes, bytes | None] | None:
    """A file of the folder as it is and compressed, or None."""
    if name not in {path.name for path in folder.iterdir()}:
        return None
    plain = (folder / name).read_bytes()
    return plain, gzip.compress(plain, 9, mtime=0) if Path(name).suffix in _TYPES else None


def _outside(request: Request) -> str:
    """What a proxy has put before our paths; empty for what is no path. The access check drops it where no proxy is trusted."""
    prefix = Headers(scope=request.scope).get("x-forwarded-prefix", "") or str(request.scope.get("root_path", ""))
    return prefix.rstrip("/") if _PATH.fullmatch(prefix) and "//" not in prefix else ""
