from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from spanloom.chaos.experiment import NetworkChaos
from spanloom.chaos.faults import ChaosError
from spanloom.chaos.run import Chaos, failed_over
from spanloom.demo.run import Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spanloom.demo.pipeline import Pipeline
    from spanloom.demo.shop import Shop
    from telemetry.documents import Kind


def network(service: str) -> NetworkChaos:
    selector: dict[str, Any] = {"labelSelectors": {"service": service}}
    spec = {"selector": selector, "action": "loss", "loss": {"loss": "5"}, "duration": "1m"}
    return NetworkChaos.model_validate({"kind": "NetworkChaos", "name": service, "spec": spec, "expect": {}, "settle": "1m"})


async def test_where_no_link_can_be_made_its_experiments_are_skipped_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanloom.chaos.run.unavailable", lambda: "needs root")
    told: list[str] = []
    reports, lost = await Chaos(Options(tmp_path), lambda: 0, told.append).run([network("payment"), network("cart")])
    assert told == ["payment: SKIPPED: NetworkChaos needs root", "cart: SKIPPED: NetworkChaos needs root"]
    assert [(report["name"], report["wrong"]) for report in reports] == [("payment", []), ("cart", [])]
    assert lost == []


async def test_two_services_behind_bad_links_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanloom.chaos.run.unavailable", lambda: "")
    with pytest.raises(ChaosError, match="cart and payment are both"):
        await Chaos(Options(tmp_path), lambda: 0, print).run([network("payment"), network("cart")])


class Calls:
    """A shop with a standby of `payment`, and a pipeline that has stored calls: who answered, and when."""

    def __init__(self, *answered: tuple[str, int]) -> None:
        self.answered = answered

    async def services(self) -> list[dict[str, str]]:
        return [{"name": name, "service": name.partition("-")[0]} for name in ("payment", "payment-standby", "cart")]

    async def find(self, kind: Kind, since: int, limit: int, where: Sequence[str]) -> list[str]:
        assert (kind.value, where[0]) == ("hop", "callee.name:payment")
        return [who for who, time in self.answered if time >= since and where[1] == f"callee.instance:{who}"][:limit]


async def test_a_service_failed_over_when_telemetry_shows_a_call_that_its_standby_answered() -> None:
    for answered, expected in ((("payment", 9), False), (("payment-standby", 4), False), (("payment-standby", 6), True)):
        calls = Calls(answered)
        assert await failed_over(cast("Pipeline", calls), cast("Shop", calls), "payment", 5) is expected
        assert not await failed_over(cast("Pipeline", calls), cast("Shop", calls), "cart", 5)
