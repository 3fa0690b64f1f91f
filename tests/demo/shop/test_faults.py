from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.shop.faults import LONGEST_MILLISECONDS, Fault, FaultError, FaultPoint, InjectedError

faults = st.one_of(
    st.just({}),
    st.builds(lambda wait: {"kind": "latency", "milliseconds": wait}, st.integers(1, LONGEST_MILLISECONDS)),
    st.builds(lambda ratio: {"kind": "errors", "ratio": ratio}, st.floats(0.001, 1.0)),
)


@given(faults)
def test_a_fault_is_written_as_it_was_read(body: dict[str, Any]) -> None:
    assert Fault.of(body).body() == body


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "latency",
        {"kind": "fire"},
        {"kind": "latency"},
        {"kind": "latency", "milliseconds": 0},
        {"kind": "latency", "milliseconds": LONGEST_MILLISECONDS + 1},
        {"kind": "latency", "milliseconds": "400"},
        {"kind": "errors", "ratio": 1.5},
        {"kind": "errors", "ratio": float("nan")},
        {"kind": "errors", "ratio": 0.5, "milliseconds": 3},
    ],
)
def test_what_is_no_fault_is_refused(body: Any) -> None:
    with pytest.raises(FaultError):
        Fault.of(body)


@given(st.floats(0.01, 1.0), st.integers(1, 300))
def test_the_share_of_failing_requests_is_the_ratio(ratio: float, requests: int) -> None:
    point = FaultPoint()
    point.put(Fault(ratio=ratio))
    failed = 0
    for _ in range(requests):
        try:
            point.cross()
        except InjectedError:
            failed += 1
    assert abs(failed - ratio * requests) <= 1


def test_latency_is_felt_until_it_is_cleared() -> None:
    point = FaultPoint()
    point.put(Fault(milliseconds=30))
    began = time.monotonic()
    point.cross()
    assert time.monotonic() - began >= 0.03
    point.put(Fault())
    began = time.monotonic()
    point.cross()
    assert time.monotonic() - began < 0.03
