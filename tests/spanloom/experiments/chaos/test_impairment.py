from __future__ import annotations

import random
from statistics import correlation, mean

from hypothesis import given
from hypothesis import strategies as st

from spanloom.experiments.chaos.impairment import Impaired, Impairment

MS = 1_000_000


@given(latency=st.integers(0, 10**10), jitter=st.integers(0, 10**10), seed=st.integers(), now=st.integers(0, 2**62))
def test_a_packet_is_as_late_as_was_asked_and_never_arrives_before_it_was_sent(
    latency: int, jitter: int, seed: int, now: int
) -> None:
    due = Impaired(Impairment(latency=latency, jitter=jitter), random.Random(seed)).delivery(now)
    assert due is not None
    assert max(now, now + latency - jitter) <= due <= now + latency + jitter


def test_the_share_of_lost_packets_is_the_one_asked_for_and_a_seed_repeats_which() -> None:
    def lost(seed: int) -> list[bool]:
        way = Impaired(Impairment(loss=0.25), random.Random(seed))
        return [way.delivery(0) is None for _ in range(10_000)]

    assert abs(mean(lost(1)) - 0.25) < 0.02
    assert lost(1) == lost(1) != lost(2)
    good = Impaired(Impairment(), random.Random(1))
    assert {good.delivery(7) for _ in range(100)} == {7}


def test_delays_are_like_the_ones_before_them_by_their_correlation() -> None:
    for share in (0.0, 0.5, 0.9):
        way = Impaired(Impairment(latency=100 * MS, jitter=50 * MS, latency_correlation=share), random.Random(3))
        delays = [float(way.delivery(0) or 0) for _ in range(20_000)]
        # `share * last + (1 - share) * new` is an autoregressive process, whose lag-one correlation is the share.
        assert abs(correlation(delays, delays[1:] + delays[:1]) - share) < 0.05
