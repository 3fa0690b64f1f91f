"""One POST with the errors of a receiver: what may be tried again, and after how long."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx2

from alerting.notify.notification import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT = "Spanloom-Alerting"
TIMEOUT = 10.0
"""Seconds that a receiver has to answer."""
RETRIED = frozenset((408, 425, 429, *range(500, 600)))
MAX_RETRY_AFTER = 3600.0
"""Longest wait that a receiver may ask for, in seconds."""


async def post(
    client: httpx2.AsyncClient, url: str, content: bytes, headers: Mapping[str, str], kind: str = "application/json"
) -> bytes:
    """Post and give the answer's body.

    Raises:
        DeliveryError: no answer, or one that is not 2xx.
    """
    try:
        response = await client.post(
            url,
            content=content,
            headers={"Content-Type": kind, "User-Agent": USER_AGENT, **headers},
            timeout=TIMEOUT,
            follow_redirects=False,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        retry = not isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol)
        raise DeliveryError(f"{type(error).__name__}: {error}", retry=retry) from error
    if response.is_success:
        return response.content
    text = response.text[:200].replace("\n", " ")
    wait = retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
    raise DeliveryError(f"HTTP {response.status_code}: {text}", retry=response.status_code in RETRIED, retry_after=wait)


def retry_after(value: str, date: str) -> float:
    """Seconds of a Retry-After header: a number, or a date, which counts from the answer's own Date. 0 if unreadable."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            until, since = parsedate_to_datetime(value), parsedate_to_datetime(date)
        except ValueError:
            return 0.0
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - since.replace(tzinfo=since.tzinfo or UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else 0.0  # noqa: PLR0124  # NaN
