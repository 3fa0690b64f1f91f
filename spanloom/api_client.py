"""The pipeline as a client sees it: its HTTP API and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import orjson

from alerting.prometheus_api.remote_read import WARNINGS
from alerting.prometheus_api.remote_read_client import request, series_of
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from alerting.prometheus_api.remote_read_client import ReadSeries
    from alerting.promql.matchers import Matcher
    from telemetry.documents import Body, Kind
    from telemetry.json_object import JsonObject

TIMEOUT_SECONDS = 20.0
PAGE = 5000
"""Documents asked for at a time where all are wanted: more would take a busy pipeline too long for one answer."""


class ApiError(SpanloomError):
    """The pipeline's API did not answer as it should."""


class RefusedError(ApiError):
    """The pipeline's API refused a question: it was wrong, or asked for too much."""


class ApiClient:
    """A client of the API at `url`, from entering to leaving.

    Args:
        url: of the console.
        headers: of every request, such as the proof of who asks.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def prove(self, headers: Mapping[str, str]) -> None:
        """Send these with every request from now on: who it is that asks may be known only when the pipeline has started."""
        self._client.headers.update(headers)

    async def healthy(self) -> bool:
        """Whether it accepts telemetry."""
        try:
            return (await self._client.get("/healthz")).is_success
        except httpx2.HTTPError:
            return False

    async def status(self) -> JsonObject:
        """Its counters.

        Raises:
            PipelineError: it did not answer.
        """
        status: JsonObject = await self._get("/api/v1/status", {})
        return status

    async def find(self, kind: Kind, since: int = 0, limit: int = 1000, where: Sequence[str] = ()) -> list[Body]:
        """Stored documents of a kind from a time on, in order of time; those that have each `field:value` of `where`.

        Raises:
            PipelineError: it did not answer.
        """
        asked = {"kind": kind.value, "since": since, "limit": limit, "where": list(where)}
        found: list[Body] = await self._get("/api/v1/find", asked)
        return found

    async def find_all(self, kind: Kind, since: int = 0, where: Sequence[str] = ()) -> list[Body]:
        """All stored documents of a kind from a time on, in order of time; those that have each `field:value` of `where`.

        Raises:
            PipelineError: it did not answer.
        """
        found: dict[str, Body] = {}
        while True:
            page = await self.find(kind, since, PAGE, where)
            new = {body["_id"]: body for body in page if body["_id"] not in found}
            found |= new
            if not new and len(page) < PAGE:  # a page may be short though there is more: earlier revisions are not in it
                return list(found.values())
            if not new:
                raise ApiError(f"{self.url}: more than {PAGE} documents of kind {kind} have the time {since}")
            since = page[-1]["@timestamp"]  # several may have this time, so that some come again

    async def remote_read(
        self, matchers: tuple[Matcher, ...], start: int, end: int, environment: str = ""
    ) -> tuple[list[ReadSeries], list[str]]:
        """Samples of a selector from a time to a time, ns, and how they were answered where it is from rollups.

        Raises:
            RefusedError: they are too many.
            ApiError: it did not answer.
        """
        path = "/prometheus/api/v1/read"
        try:
            response = await self._client.post(
                path,
                params={"environment": environment} if environment else {},
                content=request(matchers, start, end),
                headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
            )
        except httpx2.HTTPError as error:
            raise self._not_reached(path, error) from error
        if response.status_code in {400, 413, 422}:
            raise RefusedError(f"POST {response.url}: {response.status_code} {response.text[:200]}")
        if not response.is_success:
            raise ApiError(f"POST {response.url}: {response.status_code} {response.text[:200]}")
        return series_of(response.content), orjson.loads(response.headers.get(WARNINGS, "[]"))

    async def _get(self, path: str, parameters: JsonObject) -> Any:
        try:
            response = await self._client.get(path, params=parameters)
        except httpx2.HTTPError as error:
            raise self._not_reached(path, error) from error
        if not response.is_success:
            raise ApiError(f"GET {response.url}: {response.status_code} {response.text[:200]}")
        return response.json()

    def _not_reached(self, path: str, error: httpx2.HTTPError) -> ApiError:
        reason = str(error) or type(error).__name__
        return ApiError(f"{self.url}{path}: {reason}; start `spanloom up`, or name its console with --url")
