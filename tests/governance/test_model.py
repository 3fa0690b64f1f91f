"""Policies as people write them, and what they are told of mistakes."""

from __future__ import annotations

import pytest

from governance.files import read_policies
from telemetry.errors import ConfigError

MISTAKES = """\
services:
  - {name: pay, endpoints: [{address: pay.local, port: 80}]}
routes:
  - name: pay
    service: pay
    rules: [{match: {path: x}, to: [{service: nowhere}]}]
  - {name: two, service: pay, rules: [{to: [{weight: 0}]}]}
limits:
  - {name: most, service: pay, requests: 5, per: 1 second}
  - {name: most, service: pay, requests: 5, per: 30ms}
faults:
  - {name: slow, service: pay, delay: {duration: 1s}, until: soon}
mirrors:
  - {name: shadow, service: pay, to: {}, share: 500%, color: red}
"""


def test_every_mistake_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        read_policies(MISTAKES, "shop.yml")
    assert str(caught.value).splitlines() == [
        "shop.yml:2:39: services[0].endpoints[0].address: must be an IP address",
        "shop.yml:6:14: routes[0].rules[0].match: path and prefix begin with /",
        "shop.yml:7:39: routes[1].rules[0]: to: every weight is 0",
        'shop.yml:9:50: limits[0].per: "1 second" is not a duration; write it like 30s, 5m or 1h30m',
        "shop.yml:10:5: limits[1]: per: must be a multiple of 50ms",
        "shop.yml:12:62: faults[0].until: write a time like 2030-01-31T18:00:00Z",
        "shop.yml:14:49: mirrors[0].share: Input should be less than or equal to 100",
        "shop.yml:14:55: mirrors[0].color: unknown field",
    ]


def test_what_contradicts_is_named_too() -> None:
    with pytest.raises(ConfigError) as caught:
        read_policies(
            """\
services: [{name: pay, hosts: [a.shop]}, {name: pay}, {name: book, hosts: [A.shop]}]
timeouts: [{name: one, service: pay, request: 1s}, {name: two, service: pay, request: 2s}]
routes: [{name: r, service: pay, rules: [{to: [{service: nowhere}]}]}]
faults:
- {name: f, service: pay, side: outbound, labels: {v: b}, abort: {status: 500}, until: 2030-01-31T18:00:00Z}
- {name: g, service: pay, labels: {v: a}, abort: {status: 500}, until: 2030-01-31T18:00:00Z}
- {name: h, service: pay, labels: {v: b}, abort: {status: 500}, until: 2030-01-31T18:00:00Z}
- {name: i, service: pay, labels: {v: a}, abort: {status: 500}, until: 2030-01-31T18:00:00Z}
""",
            "x.yml",
        )
    assert str(caught.value).splitlines() == [
        'x.yml:1:49: services: "pay" stands here twice',
        'x.yml:1:68: services: "A.shop" already means pay',
        'x.yml:2:73: timeouts: pay already has "one"; write both as one',
        'x.yml:3:58: routes: no service "nowhere"',
        "x.yml:5:43: faults: no route of pay sends requests to instances by these labels",
        'x.yml:8:22: faults: pay inbound v=a already has "g"; write both as one',
    ]


@pytest.mark.parametrize("until", ["2030-01-31T18:00:00Z", "2030-01-31T19:00:00+01:00", "'2030-01-31T18:00:00Z'"])
def test_times_are_those_of_their_zone(until: str) -> None:
    found = read_policies(f"faults: [{{name: slow, service: pay, abort: {{status: 503}}, until: {until}}}]", "x.yml")
    assert found.faults[0].until == 1896112800 * 10**9
