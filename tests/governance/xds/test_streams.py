"""Both forms of the protocol: what trapped others, and a state machine over snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from governance.xds.delta import DeltaStream
from governance.xds.snapshot import TYPE_URLS, Kind, Snapshot, snapshot_of
from governance.xds.sotw import SotwStream
from governance.xds.stream import HOLD, MAX_NAMES, ProtocolError
from tests.governance.xds.client import DeltaClient, SotwClient, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.json_object import JsonObject

NAMES = ("a", "b", "c", "d")


def snapshot(revision: str, clusters: Iterable[str], *, port: int = 1, note: str = "") -> Snapshot:
    """A snapshot whose routes name all of its clusters."""
    clusters = sorted(clusters)
    eds = {"eds_config": {"ads": {}, "resource_api_version": "V3"}}
    routes = [{"name": note, "match": {"prefix": f"/{each}"}, "route": {"cluster": each}} for each in clusters]
    written: dict[Kind, list[JsonObject]] = {
        Kind.CLUSTER: [{"name": each, "type": "EDS", "eds_cluster_config": eds} for each in clusters],
        Kind.ENDPOINTS: [assignment(each, port) for each in clusters],
        Kind.LISTENER: [{"name": "outbound"}],
        Kind.ROUTES: [{"name": "outbound", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}],
    }
    return snapshot_of(revision, written)


def assignment(name: str, port: int) -> JsonObject:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}


def quiet(client: SotwClient | DeltaClient, wanted: Snapshot, now: int = 0) -> int:
    """Let both sides say what they have to; how many responses there were."""
    before = client.received
    for _ in range(30):
        for response in client.stream.responses(wanted, now):
            client.receive(response)
        if not client.queue and not client.ask(wanted) and not client.stream.responses(wanted, now):
            return client.received - before
        client.answer(wanted)
    raise AssertionError("they go on for ever")


def same(client: SotwClient | DeltaClient, wanted: Snapshot) -> bool:
    """Whether the client has what it is to have, and the stream knows it."""
    kinds = (Kind.CLUSTER, Kind.ENDPOINTS, Kind.LISTENER, Kind.ROUTES, Kind.RUNTIME)
    have = {kind: client.have[kind] for kind in kinds}
    return have == {kind: {name: each.body for name, each in wanted[kind].items.items()} for kind in kinds}


class Converges(RuleBasedStateMachine):
    """However snapshots, answers and reconnections follow each other, the client ends with the snapshot, and never with a
    route that it cannot serve."""

    client: SotwClient | DeltaClient
    excused = False

    @initialize(delta=st.booleans(), clusters=st.sets(st.sampled_from(NAMES)))
    def start(self, *, delta: bool, clusters: set[str]) -> None:
        self.client = DeltaClient() if delta else SotwClient()
        self.count, self.clock = 0, 0
        self.wanted = snapshot("0", clusters)
        self.client.connect(self.wanted)

    @rule(clusters=st.sets(st.sampled_from(NAMES)), port=st.integers(1, 3), note=st.sampled_from(["", "x", "y"]))
    def publish(self, clusters: set[str], port: int, note: str) -> None:
        self.count += 1
        self.wanted = snapshot(str(self.count), clusters, port=port, note=note)

    @rule()
    def send(self) -> None:
        self.pending = self.client.stream.responses(self.wanted, self.clock)
        for response in self.pending:
            self.client.receive(response)

    @rule()
    def answer(self) -> None:
        self.client.answer(self.wanted)

    @rule()
    def reconnect(self) -> None:
        """In the form of the state of the world a client that was away while clusters went does not say which it has."""
        self.excused = isinstance(self.client, SotwClient)
        self.client.connect(self.wanted)

    @rule()
    def settle(self) -> None:
        quiet(self.client, self.wanted, self.clock)
        assert same(self.client, self.wanted)
        assert self.client.stream.settled(self.wanted)
        assert not self.client.stream.held
        if self.excused:
            self.excused = False
            self.client.broken.clear()

    @invariant()
    def every_route_can_be_served(self) -> None:
        if self.excused:
            self.client.broken.clear()
        elif hasattr(self, "client"):
            assert self.client.broken == []


TestConverges = Converges.TestCase
TestConverges.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, derandomize=True, database=None, phases=(Phase.generate,)
)


@pytest.fixture(params=["sotw", "delta"])
def client(request: pytest.FixtureRequest) -> SotwClient | DeltaClient:
    return DeltaClient() if request.param == "delta" else SotwClient()


def test_a_client_that_comes_back_with_what_it_has_is_sent_nothing(client: SotwClient | DeltaClient) -> None:
    first = snapshot("1", "ab")
    client.connect(first)
    assert quiet(client, first) >= 5
    again = snapshot("1", "ab")  # of a control plane that was started anew
    replies = client.connect(again)
    assert quiet(client, again) == 0
    assert client.stream.settled(again)
    assert {reply.kind for reply in replies} >= {Kind.CLUSTER, Kind.ROUTES}


def test_what_a_client_refuses_is_not_sent_again_until_it_changes(client: SotwClient | DeltaClient) -> None:
    good = snapshot("1", "a")
    client.connect(good)
    quiet(client, good)
    client.refuses = "bad-route"
    bad = snapshot("2", "a", note="bad-route")
    for response in client.stream.responses(bad, 0):
        client.receive(response)
    replies = client.answer(bad)
    assert [(reply.kind, reply.revision) for reply in replies] == [(Kind.ROUTES, "2")]
    assert replies[0].refusal == "outbound is wrong"
    assert client.stream.responses(bad, 0) == []
    assert not client.stream.settled(bad)
    quiet(client, good)
    assert client.stream.settled(good)
    assert same(client, good)


def test_routes_wait_for_the_endpoints_of_new_clusters_but_not_for_ever(client: SotwClient | DeltaClient) -> None:
    before, after = snapshot("1", "a"), snapshot("2", "ab")
    client.connect(before)
    quiet(client, before)
    sent = client.stream.responses(after, 100)
    assert len(sent) == 1  # the cluster alone: its endpoints have not been asked for
    assert client.stream.held
    assert client.stream.responses(after, 100 + HOLD - 1) == []
    assert len(client.stream.responses(after, 100 + HOLD)) == 1
    assert not client.stream.held


def test_a_removed_cluster_stays_until_the_routes_are_acknowledged(client: SotwClient | DeltaClient) -> None:
    before, after = snapshot("1", "ab"), snapshot("2", "a")
    client.connect(before)
    quiet(client, before)
    for response in client.stream.responses(after, 0):
        client.receive(response)
    assert "b" in client.have[Kind.CLUSTER]
    client.answer(after)
    for response in client.stream.responses(after, 0):
        client.receive(response)
    assert "b" not in client.have[Kind.CLUSTER]


def test_a_request_with_the_nonce_already_answered_is_answered_again() -> None:
    client, one = SotwClient(), snapshot("1", "a")
    client.connect(one)
    quiet(client, one)
    client.send(Kind.ENDPOINTS, one)  # Envoy does so where a changed cluster warms
    assert len(client.stream.responses(one, 0)) == 1
    assert client.stream.responses(one, 0) == []


def test_an_answer_to_a_response_that_was_overtaken_changes_nothing() -> None:
    client, one, two = SotwClient(), snapshot("1", "a"), snapshot("2", "a", port=2)
    client.connect(one)
    quiet(client, one)
    overtaken = client.nonces[Kind.ENDPOINTS]
    for response in client.stream.responses(two, 0):
        client.receive(response)
    late = message("DiscoveryRequest", type_url=TYPE_URLS[Kind.ENDPOINTS], response_nonce=overtaken, resource_names=[])
    assert client.stream.request(late.SerializeToString(), two) is None
    assert not client.stream.settled(two)
    quiet(client, two)
    assert client.stream.settled(two)


def test_on_delta_a_resource_that_is_asked_for_again_is_sent_again_and_one_that_is_not_there_is_named() -> None:
    stream, one = DeltaStream(), snapshot("1", "a")
    ask = message("DeltaDiscoveryRequest", type_url=TYPE_URLS[Kind.ENDPOINTS], resource_names_subscribe=["a", "zz"])
    stream.request(ask.SerializeToString(), one)
    for _ in range(2):
        (encoded,) = stream.responses(one, 0)
        read = message("DeltaDiscoveryResponse")
        read.ParseFromString(encoded)
        assert [each.name for each in read.resources] == ["a"]  # type: ignore[attr-defined]
        assert list(read.removed_resources) == ["zz"]  # type: ignore[attr-defined]
        assert stream.responses(one, 0) == []
        stream.request(ask.SerializeToString(), one)


def test_grpc_asks_for_listeners_and_clusters_by_name() -> None:
    stream, one = SotwStream(), snapshot("1", "ab")
    ask = message("DiscoveryRequest", type_url=TYPE_URLS[Kind.CLUSTER], resource_names=["b"])
    stream.request(ask.SerializeToString(), one)
    (encoded,) = stream.responses(one, 0)
    read = message("DiscoveryResponse")
    read.ParseFromString(encoded)
    assert len(read.resources) == 1  # type: ignore[attr-defined]
    changed = snapshot("2", "abc")  # b is as it was
    assert stream.responses(changed, 0) == []


def test_the_runtime_layer_is_always_there() -> None:
    assert list(snapshot("1", "")[Kind.RUNTIME].items) == ["spanloom"]


@pytest.mark.parametrize("stream", [SotwStream(), DeltaStream()])
def test_what_we_have_none_of_is_not_answered_and_too_many_names_end_the_stream(stream: SotwStream | DeltaStream) -> None:
    one = snapshot("1", "a")
    delta = isinstance(stream, DeltaStream)
    name, field = ("DeltaDiscoveryRequest", "resource_names_subscribe") if delta else ("DiscoveryRequest", "resource_names")
    unheard = message(name, type_url="type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration")
    assert stream.request(unheard.SerializeToString(), one) is None
    assert stream.responses(one, 0) == []
    many = message(name, type_url=TYPE_URLS[Kind.ENDPOINTS], **{field: [str(each) for each in range(MAX_NAMES + 1)]})
    with pytest.raises(ProtocolError, match="at most"):
        stream.request(many.SerializeToString(), one)


def test_in_delta_form_endpoints_of_a_changed_cluster_come_again_though_they_did_not_change() -> None:
    """Envoy does not ask for them again, and warms the cluster for 15 s without."""
    client, before = DeltaClient(), snapshot("1", "ab")
    client.connect(before)
    quiet(client, before)
    written = {
        Kind.CLUSTER: [
            {"name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": {"eds_config": {"ads": {}}}}
            for name, timeout in (("a", "7s"), ("b", "5s"))
        ],
        Kind.ENDPOINTS: [assignment(name, 1) for name in "ab"],
    }
    first = snapshot_of("2", written)
    quiet(client, first)
    written[Kind.CLUSTER][0]["connect_timeout"] = "8s"
    responses = client.stream.responses(snapshot_of("3", written), 0)
    found = []
    for each in responses:
        read = message("DeltaDiscoveryResponse")
        read.ParseFromString(each)
        found.append((read.type_url, [item.name for item in read.resources]))  # type: ignore[attr-defined]
    assert found == [(TYPE_URLS[Kind.CLUSTER], ["a"]), (TYPE_URLS[Kind.ENDPOINTS], ["a"])]
