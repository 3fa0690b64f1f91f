from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dashboards.api.routes import MAX_FOUND
from spanloom.experiments.chaos.experiment import HttpChaos, NetworkChaos
from spanloom.experiments.chaos.faults import ChaosError
from spanloom.experiments.chaos.runner import MAX_CALLS, Chaos, traffic_taken_over
from spanloom.experiments.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from telemetry.documents import Kind


def network(service: str) -> NetworkChaos:
    selector: dict[str, Any] = {"labelSelectors": {"service": service}}
    spec = {"selector": selector, "action": "loss", "loss": {"loss": "5"}, "duration": "1m"}
    return NetworkChaos.model_validate({"kind": "NetworkChaos", "name": service, "spec": spec, "expect": {}, "settle": "1m"})


async def test_where_no_link_can_be_made_its_experiments_are_skipped_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanloom.experiments.chaos.runner.unavailable", lambda: "needs root")
    reported: list[str] = []
    reports, lost = await Chaos(Options(tmp_path), lambda: 0, reported.append).run([network("payment"), network("cart")])
    assert reported == ["payment: SKIPPED: NetworkChaos needs root", "cart: SKIPPED: NetworkChaos needs root"]
    assert [(report["name"], report["wrong"]) for report in reports] == [("payment", []), ("cart", [])]
    assert lost == []


async def test_where_no_envoy_is_faults_through_it_are_skipped_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanloom.experiments.chaos.runner.mesh_ports", lambda: None)
    selector = {"labelSelectors": {"service": "delivery"}}
    spec = {"selector": selector, "abort": True, "through": "envoy"}
    made = HttpChaos.model_validate({"kind": "HTTPChaos", "name": "e", "spec": spec, "expect": {}, "settle": "1m"})
    reported: list[str] = []
    reports, lost = await Chaos(Options(tmp_path), lambda: 0, reported.append).run([made])
    skipped = "HTTPChaos through Envoy, and none is here (pip install 'spanloom[agent]')"
    assert reports == [{"name": "e", "skipped": skipped, "wrong": []}]
    assert (reported, lost) == ([f"e: SKIPPED: {skipped}"], [])


async def test_two_services_behind_bad_links_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanloom.experiments.chaos.runner.unavailable", lambda: "")
    with pytest.raises(ChaosError, match="cart and payment are both"):
        await Chaos(Options(tmp_path), lambda: 0, print).run([network("payment"), network("cart")])


class Stored:
    """A pipeline that has stored calls of payment, by who answered."""

    async def find(self, kind: Kind, since: int, limit: int, where: Sequence[str]) -> list[dict[str, Any]]:
        assert (kind.value, since, limit, where) == ("hop", 5, MAX_CALLS, ["callee.name:payment"])
        assert limit <= MAX_FOUND, "the API refuses more"
        return [{"callee": {"instance": name}} for name in ("payment", "payment-standby", "payment", "payment-standby", "")]


async def test_calls_that_another_instance_answered_are_counted_as_stored() -> None:
    pipeline: Any = Stored()
    assert await traffic_taken_over(pipeline, "payment", 5) == 2
    assert await traffic_taken_over(pipeline, "", 5) == 0  # the machine has the fault
