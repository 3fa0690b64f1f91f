from __future__ import annotations

import pytest

from tests.eval import nab, nezha, petshop
from tests.eval.shared import SHARED, scorer

pytestmark = [
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the scorers leave their files to be closed by the collector
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"no public data at {SHARED}"),
]


def test_the_culprit_of_a_real_fault_is_found_and_the_table_says_so() -> None:
    path = min((SHARED / "data" / "nezha").glob("*.jsonl.gz"), key=lambda case: case.stat().st_size)
    found = {path.name.removesuffix(".jsonl.gz"): nezha.rankings(path)}
    header, *rows = nezha.table(scorer("score_nezha"), SHARED / "data" / "nezha", found)
    assert header[2] == "AS@1 all signals"
    assert {row[1] for row in rows} == {"1"}
    assert rows[0][2] == "100.0"


def test_a_labelled_series_is_scored_with_the_scorer_that_comes_with_it() -> None:
    series_scorer = scorer("score_nab")
    files = ["realTraffic/speed_7578.csv", "realAdExchange/exchange-3_cpm_results.csv"]
    found = {cut: {file: nab.scores(series_scorer.series(file), cut) for file in files} for cut in (0, 8)}
    header, *rows = nab.table(series_scorer, found)
    assert [row[0] for row in rows] == list(series_scorer.PROFILES)
    assert len(header) == len(rows[0])
    assert float(rows[0][1]) > 50.0


def test_an_issue_of_the_shop_without_traces_is_ranked_from_what_came_before_it() -> None:
    data = SHARED / "data" / "petshop"
    first, *later = petshop.records(data / "low_traffic-issue_0.jsonl.gz")
    assert [points[0].time for points in later] == [first[0].time + number * petshop.RECORD for number in range(1, 5)]
    header, *rows = petshop.table(data, {"low_traffic-issue_0": ["PetSite"], "low_traffic-issue_1": []})
    assert (header[2], rows) == ("AS@1", [("low_traffic latency", "2", "0.0", "0.0"), ("all", "2", "0.0", "0.0")])
