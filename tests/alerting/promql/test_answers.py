"""Every answer is the one that Prometheus gave when they were recorded; tests/interop/test_prometheus.py asks it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.promql_answers import RECORDED_TIMES, agree, hour, ours, recorded
from tests.interop.promql_cases import EXPRESSIONS, reaching_back_as_242  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from alerting.rules.samples import Samples

RECORDED = recorded()


@pytest.fixture(scope="module")
def samples() -> Samples:
    return hour()


@pytest.mark.usefixtures("reaching_back_as_242")
@pytest.mark.parametrize("group", EXPRESSIONS)
def test_every_answer_is_prometheus_own(samples: Samples, group: str) -> None:
    different = [
        f"{text} at {at}: prometheus {expected}, ours {found}"
        for text in EXPRESSIONS[group]
        for at, expected in zip(RECORDED_TIMES, RECORDED[text], strict=True)
        if not agree(expected, found := ours(samples, text, at)[0])
    ]
    assert different == []
