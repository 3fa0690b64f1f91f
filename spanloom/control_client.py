"""The control plane as a client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from spanloom.api_client import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from telemetry.json_object import JsonObject

TIMEOUT_SECONDS = 90.0
"""Envoy reads a revision before it is released."""


class ControlClient:
    """From entering to leaving.

    Args:
        url: of the console, or of the control plane alone.
        headers: of every request, such as the proof of who asks.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def check(self, text: str, name: str) -> JsonObject:
        """Have a document compiled for the fleet.

        Raises:
            ApiError: what is wrong with it, or it did not answer; so do all below.
        """
        return await self._ask("POST", "/api/v1/policies/check", {"name": name}, text)

    async def publish(self, text: str, name: str, comment: str, *, draft: bool = False) -> JsonObject:
        """Release a document, or keep it as a draft; its revision."""
        asked = {"name": name, "comment": comment, **({"draft": "true"} if draft else {})}
        return await self._ask("POST", "/api/v1/policies", asked, text)

    async def drafts(self) -> JsonObject:
        """Revisions that wait for somebody to decide."""
        return await self._ask("GET", "/api/v1/policies/drafts", {})

    async def difference(self, number: str) -> JsonObject:
        """What a revision would change of the one that is stable."""
        return await self._ask("GET", f"/api/v1/policies/{number}/diff", {})

    async def approve(self, number: str, against: str) -> JsonObject:
        """Approve a draft of which the difference to `against` was shown."""
        return await self._ask("POST", f"/api/v1/policies/{number}/approve", {"against": against})

    async def reject(self, number: str, why: str) -> JsonObject:
        """End a draft."""
        return await self._ask("POST", f"/api/v1/policies/{number}/reject", {"why": why})

    async def roll_back(self, to: str | None, why: str) -> JsonObject:
        """Take back what is on its way, or release an earlier revision again."""
        return await self._ask("POST", "/api/v1/policies/rollback", {"why": why, **({"to": to} if to else {})})

    async def deliver(self, service: str, action: str, why: str) -> JsonObject:
        """Pause, resume, promote or abort the delivery of a service."""
        return await self._ask("POST", "/api/v1/policies/deliveries", {"service": service, "do": action, "why": why})

    async def history(self, limit: int) -> JsonObject:
        """The newest revisions."""
        return await self._ask("GET", "/api/v1/policies", {"limit": str(limit)})

    async def document(self, number: str) -> JsonObject:
        """The text of a revision."""
        return await self._ask("GET", f"/api/v1/policies/{number}", {})

    async def audit(self, after: int) -> JsonObject:
        """Records of the audit trail."""
        return await self._ask("GET", "/api/v1/policies/audit", {"after": str(after), "limit": "1000"})

    async def fleet(self) -> JsonObject:
        """Every agent that is known."""
        return await self._ask("GET", "/api/v1/fleet", {})

    async def _ask(self, method: str, path: str, parameters: Mapping[str, str], text: str = "") -> JsonObject:
        try:
            response = await self._client.request(method, path, params=dict(parameters), content=text.encode())
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiError(f"{self._url}{path}: {reason}; start the control plane, or name its URL with --url") from error
        kind = response.headers.get("content-type", "")
        answer = response.json() if kind.startswith("application/json") else {"text": response.text}
        if isinstance(answer, list):
            answer = {"records": answer}
        if not response.is_success:
            raise ApiError(str(answer.get("error") or f"{method} {response.url}: {response.status_code} {response.text[:200]}"))
        found: JsonObject = answer
        return found
