"""Sends export requests over OTLP/HTTP, and tries again as the specification asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import httpx2
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from collectors import responses
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tenacity import RetryCallState

    from collectors.decoding import Outcome
    from telemetry.otlp import Signal

_ATTEMPTS: Final = 8
_ATTEMPTS_TO_REACH: Final = 3  # of an endpoint that never answered: more likely a wrong address than a short outage
_LONGEST_WAIT: Final = 60.0  # seconds; an endpoint that asks for more is asked again after this
_RETRYABLE: Final = frozenset({429, 502, 503, 504})  # "Retryable Response Codes"
_PATHS: Final[Mapping[Signal, str]] = {"spans": "/v1/traces", "logs": "/v1/logs", "metrics": "/v1/metrics"}


class EndpointError(SpanloomError):
    """The endpoint cannot be reached, or refused a request as a whole."""


class RefusedError(EndpointError):
    """The endpoint will not take this request, however often it is sent."""


class _TryAgainError(Exception):
    """Another try makes sense, after `retry_after` seconds where the endpoint said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class OtlpClient:
    """Sends to one endpoint.

    Args:
        endpoint: base URL, such as `http://127.0.0.1:4318`.
        http: carries the requests.
        sleep: waits so many seconds between two tries.
    """

    def __init__(
        self, endpoint: str, http: httpx2.AsyncClient, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._http = http
        self._sleep = sleep
        self._backoff = wait_random_exponential(max=_LONGEST_WAIT)
        self._reached = False
        self.retries = 0

    async def send(self, signal: Signal, value: bytes) -> Outcome:
        """Send one protobuf export request; return what the endpoint made of it once it has acknowledged it.

        Raises:
            RefusedError: the endpoint refused it as a whole, for good.
            EndpointError: no answer, or none but "later", after all tries.
        """
        url = self._endpoint + _PATHS[signal]
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_TryAgainError),
            stop=self._is_enough,
            wait=self._wait,
            sleep=self._sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            answer: httpx2.Response = await attempts(self._post, url, value)
        except _TryAgainError as error:
            tries = attempts.statistics["attempt_number"]
            raise EndpointError(f"{url}: {error}, {tries} times; is it running, and the address right?") from error
        try:
            if answer.is_success:
                return responses.outcome(signal, answer.content)
            reason = responses.reason(answer.content)
        except ValueError as error:
            raise EndpointError(f"{url} answered {answer.status_code}, but not as OTLP does; is the address right?") from error
        raise RefusedError(f"{url} answered {answer.status_code}: {reason}")

    async def _post(self, url: str, value: bytes) -> httpx2.Response:
        try:
            answer = await self._http.post(url, content=value, headers={"content-type": "application/x-protobuf"})
        except httpx2.TransportError as error:
            raise _TryAgainError(str(error) or type(error).__name__) from error
        self._reached = True
        if answer.status_code in _RETRYABLE:
            raise _TryAgainError(f"answered {answer.status_code}", _seconds(answer.headers.get("retry-after", "")))
        return answer

    def _is_enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= (_ATTEMPTS if self._reached else _ATTEMPTS_TO_REACH)

    def _wait(self, state: RetryCallState) -> float:
        """What the endpoint asked for, else exponential with jitter."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TryAgainError) and error.retry_after is not None:
            return min(error.retry_after, _LONGEST_WAIT)
        return self._backoff(state)

    def _count_retry(self, _state: RetryCallState) -> None:
        self.retries += 1


def _seconds(retry_after: str) -> float | None:
    """Retry-After in seconds; its other form, a date, would need the clock, and backing off is as good."""
    return float(retry_after) if retry_after.isdecimal() else None
