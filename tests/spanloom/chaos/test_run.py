from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanloom.chaos.experiment import NetworkChaos
from spanloom.chaos.faults import ChaosError
from spanloom.chaos.run import Chaos
from spanloom.demo.run import Options

if TYPE_CHECKING:
    from pathlib import Path


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
