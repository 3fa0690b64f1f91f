from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from alerting.playbooks.kernel.traffic import BUCKET, MAX_INSTANCES, MAX_SERVICES, WINDOW, Footprint, LiveTraffic
from tests.alerting.playbooks.world import PLAYBOOK, SECOND, START, Alert, Processes, events, healer, pass_time, playbooks

if TYPE_CHECKING:
    from pathlib import Path

WHOLE_SERVICE = PLAYBOOK.replace('instance: "$instance"', 'instance: ""')


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(-5, 50), st.integers(0, 3 * WINDOW // SECOND)), max_size=60
    )
)
def test_shares_are_those_of_the_calls_in_the_window(calls: list[tuple[str, int, int]]) -> None:
    traffic, newest, counted = LiveTraffic(), 0, list[tuple[str, int, int]]()
    for service, count, second in calls:
        at = START + second * SECOND
        traffic.add(service, count, at)
        if at > newest - WINDOW:
            newest = max(newest, at)
            counted.append((service, count, at // BUCKET * BUCKET))
    in_window = [(service, count) for service, count, bucket in counted if bucket > newest - WINDOW]
    total = sum(count for _, count in in_window)
    for service in "abc":
        received = sum(count for name, count in in_window if name == service)
        assert traffic.footprint(service, "x", newest) == Footprint(1, max(0, received) / total if total > 0 else None)


def test_instances_are_counted_as_long_as_they_send_spans() -> None:
    traffic = LiveTraffic()
    assert traffic.footprint("cart", "", START).instances is None
    traffic.see([("cart", "a"), ("cart", "b"), ("shop", "a"), ("mail", "")], START)
    traffic.see([("cart", "a")], START + SECOND)
    assert traffic.footprint("cart", "", START).instances == 2
    assert traffic.footprint("cart", "b", START).instances == 1
    assert traffic.footprint("mail", "", START).instances is None, "it does not name its instances"
    assert traffic.footprint("cart", "", START + WINDOW).instances == 1
    assert traffic.footprint("cart", "", START + WINDOW + SECOND).instances is None


def test_what_is_too_much_to_be_distinguished_is_unknown() -> None:
    traffic = LiveTraffic()
    traffic.see([("cart", str(number)) for number in range(MAX_INSTANCES + 5)], START)
    assert traffic.footprint("cart", "", START).instances is None
    traffic.see([("cart", "new")], START + WINDOW)
    assert traffic.footprint("cart", "", START + WINDOW).instances == 1, "those that are gone make room"
    traffic.see([(str(number), "a") for number in range(MAX_SERVICES)], START + WINDOW)
    assert traffic.footprint("cart", "", START + WINDOW).instances is None


def test_a_whole_service_is_repaired_only_when_the_number_of_its_instances_is_known(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path, WHOLE_SERVICE), world, services=())
    for service in ("cart", "shop"):
        made.traffic.add(service, 100, START)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 5)
    assert not world.calls
    assert events(made).count("refused") == 1
    made.traffic.see([("cart", "a"), ("cart", "b")], now)
    pass_time(made, world, now, 1)
    assert world.calls
