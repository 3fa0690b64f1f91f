"""The shop as the demo sees it: two processes, and the supervisor's HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from spanloom.experiments.process import Child
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from telemetry.documents import Body

TIMEOUT_SECONDS = 30.0
ENVIRONMENT = "demo"
"""deployment.environment.name of the shop."""


class ShopError(SpanloomError):
    """The shop's supervisor refused."""


class ShopProcess:
    """The shop's services from entering to leaving, and users for it when asked.

    Args:
        folder: for its database, queue, addresses and logs.
        port: of the supervisor's API.
        otlp_grpc: where its telemetry goes, `host:port`.
        otlp_http: the same for the services that export over HTTP.
        more: arguments of the supervisor.
    """

    def __init__(self, folder: Path, port: int, otlp_grpc: str, otlp_http: str, more: Sequence[str] = ()) -> None:
        self._folder = folder
        arguments = ["--port", str(port), "--otlp-grpc", otlp_grpc, "--otlp-http", otlp_http, "--folder", str(folder), *more]
        self._supervisor = Child("the shop", ["demo.supervisor", *arguments, "--until-stdin-ends"], folder / "supervisor.log")
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._supervisor.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        await self._supervisor.__aexit__()

    async def ready(self) -> None:
        """Wait until every service is ready.

        Raises:
            ChildError: one is not, and the supervisor has given up.
        """
        self._client.base_url = f"http://{(await self._supervisor.line())['ready']}"

    def users(self, rate: float, seed: int) -> Child:
        """A process that sends users; `ask` it for a report."""
        arguments = ["demo.load", str(self._folder), "--rate", str(rate), "--seed", str(seed)]
        return Child("the load", arguments, self._folder / "load.log")

    async def services(self) -> list[Body]:
        """Every instance and how it is."""
        services: list[Body] = await self._request("GET", "/services")
        return services

    async def put_fault(self, service: str, fault: Body) -> None:
        """Put a fault into a service."""
        await self._request("POST", f"/services/{service}/fault", fault)

    async def repair(self, service: str) -> None:
        """Do by hand what no playbook has done: a new process, and traffic for it."""
        await self._request("POST", f"/services/{service}/restart")
        await self._request("POST", f"/services/{service}/restore")

    async def sent(self) -> dict[str, int]:
        """What the shop's exporters have delivered, by their own counts."""
        sent: dict[str, int] = await self._request("GET", "/sent")
        return sent

    async def _request(self, method: str, path: str, body: Body | None = None) -> Any:
        try:
            response = await self._client.request(method, path, json=body)
        except httpx2.HTTPError as error:
            self._supervisor.check()
            raise ShopError(f"{method} {path} of the shop's supervisor: {error!r}") from error
        if not response.is_success:
            raise ShopError(f"{method} {path} of the shop's supervisor: {response.status_code} {response.text[:200]}")
        return response.json()
