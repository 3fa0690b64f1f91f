"""What is stored, read in pages out of which older revisions have been left."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from alerting.rules.backtest import backtest
from alerting.rules.files import parse_rules
from spanloom import api_client
from spanloom.api_client import ApiClient
from telemetry.documents import Kind
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from telemetry.documents import Body


class Revised(ApiClient):
    """Ten documents, of which every third has been replaced."""

    asked = 0

    async def find(self, kind: Kind, since: int = 0, limit: int = 1000, where: Sequence[str] = ()) -> list[Body]:
        assert kind is Kind.HOP
        assert not where
        self.asked += 1
        page: list[Body] = [{"_id": f"h{i}", "@timestamp": i} for i in range(10) if i >= since][:limit]
        return [body for body in page if body["@timestamp"] % 3]


async def test_a_page_that_revisions_were_omitted_from_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "PAGE", 4)
    async with Revised("http://x") as api:
        found = await api.find_all(Kind.HOP)
    assert [body["_id"] for body in found] == ["h1", "h2", "h4", "h5", "h7", "h8"]
    assert api.asked < 10


def test_the_report_of_a_backtest_is_json() -> None:
    rules = parse_rules("groups: [{name: g, interval: 1s, rules: [{alert: A, expr: x > 1}]}]", "r.yml")
    report = orjson.loads(orjson.dumps(asdict(backtest(rules, [Point(Series("x", (("a", "ü"),)), 10**18, 2.0)]))))
    (firing,) = report["firings"]
    assert (firing["alert"], firing["labels"]["a"], firing["fired_at"], firing["resolved_at"]) == ("A", "ü", 10**18, 0)
