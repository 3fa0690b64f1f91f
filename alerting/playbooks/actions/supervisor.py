"""Local processes under a supervisor with an HTTP control interface."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import ActionError, RunnerComponent
from components.component import ComponentKind, Stability
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFLICT = 409
_STATE = re.compile(r"[A-Za-z]{1,20}|\d{1,10}")


class SupervisorConfig(BaseModel):
    """Where the supervisor listens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://", description="Base URL of the control interface, for example http://127.0.0.1:9090.")


class Supervisor:
    """Speaks `POST /services/{name}/restart`, `/isolate` and `/restore`, each answering when it is done.

    An `isolate` that would leave the service without an instance in traffic is answered 409. What the supervisor says beyond
    the status is for operators alone.

    Where it also answers `GET /services/{name}` with `restarted_by`, the `Idempotency-Key` of the last restart that it has
    done, a crash of ours leaves no doubt about a restart.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        self._url = config.url.rstrip("/")

    async def restart(self, name: str, key: str) -> Mapping[str, str]:
        """Replace the process by a new one; it is ready when this returns."""
        return await self._post(name, "restart", key)

    async def restarted(self, name: str, key: str, since: int) -> bool:
        """Whether the last restart that it has done is that of this key."""
        del since
        answer = await self._ask("GET", f"{self._url}/services/{quote(name, safe='')}", key)
        try:
            body: Any = answer.json()
        except ValueError:
            return False
        return isinstance(body, dict) and body.get("restarted_by") == key

    async def isolate(self, name: str, key: str) -> Mapping[str, str]:
        """Take the process out of traffic."""
        return await self._post(name, "isolate", key, refused=f"no other instance of {name} takes traffic")

    async def restore(self, name: str, key: str) -> Mapping[str, str]:
        """Give the process its traffic again."""
        return await self._post(name, "restore", key)

    async def _post(self, name: str, verb: str, key: str, refused: str = "") -> Mapping[str, str]:
        return _state(await self._ask("POST", f"{self._url}/services/{quote(name, safe='')}/{verb}", key, refused))

    async def _ask(self, method: str, url: str, key: str, refused: str = "") -> httpx2.Response:
        # The step has its own timeout, and a proxy of the environment has no business with a control interface.
        async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
            try:
                answer = await client.request(method, url, headers={"Idempotency-Key": key})
            except httpx2.HTTPError as error:
                text = Wording.SUPERVISOR_AWAY(request=f"{method} {url}", error=type(error).__name__)
                raise ActionError(text, output=str(error)) from error
        if not answer.is_success:
            reason = f" ({refused})" if refused and answer.status_code == CONFLICT else ""
            text = Wording.REQUEST_FAILED(request=f"{method} {url}", error=f"{answer.status_code}{reason}")
            raise ActionError(text, output=answer.text)
        return answer


def _state(answer: httpx2.Response) -> dict[str, str]:
    """What the supervisor says of the process, as evidence: numbers and single words, which everybody may read."""
    try:
        body: Any = answer.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    state = {key: str(body[key]) for key in ("pid", "state", "restarts", "isolated") if key in body}
    return {key: text for key, text in state.items() if _STATE.fullmatch(text)}


SUPERVISOR = RunnerComponent(
    kind=ComponentKind.RUNNER,
    name="supervisor",
    config=SupervisorConfig,
    build=lambda config, _: Supervisor(config),
    summary="Local processes under a supervisor with an HTTP control interface.",
    stability=Stability.BETA,
    example={"url": "http://127.0.0.1:9090"},
    required=True,
)
