"""What Envoy may be given: what it accepted last, what the centre offers, and what this agent adds by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from agent.relay.fault_ends import ends_of, without_ended
from agent.relay.messages import LISTENER, RUNTIME, SECRET, WHOLE, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


@dataclass(frozen=True, slots=True)
class Accepted:
    """Resources of a type that Envoy accepted, with the centre's version of them."""

    version: str
    resources: Mapping[str, bytes] = field(default_factory=dict)


class EnvoyAnswer(NamedTuple):
    """What Envoy gets for a type.

    `offer` is the centre's response in it that Envoy has not accepted yet; `complete` whether all that was asked for is there;
    `known` whether it is the whole of a type, with the centre's part.
    """

    version: str
    resources: Mapping[str, bytes]
    offer: Response | None
    complete: bool
    known: bool


class Snapshots:
    """State of the relay by type. It asks no clock and does no I/O.

    Args:
        accepted: what was accepted before this process, by type.
        observe: what makes a listener of the centre one that says what passes it.

    Attributes:
        own_secrets: names of secrets that this agent alone provides: the centre's of these names are dropped.
    """

    def __init__(
        self, accepted: Mapping[str, Accepted] | None = None, observe: Callable[[bytes], bytes] = lambda listener: listener
    ) -> None:
        self._observe = lru_cache(maxsize=64)(observe)
        self._accepted = dict(accepted or {})
        self._offers: dict[str, Response] = {}
        self._own: dict[str, dict[str, bytes]] = {}
        self._own_revision = 0
        self.own_secrets: frozenset[str] = frozenset()

    @property
    def accepted(self) -> Mapping[str, Accepted]:
        """What Envoy accepted last, by type."""
        return self._accepted

    def version(self, type_url: str) -> str:
        """The centre's version that Envoy has; empty for none."""
        found = self._accepted.get(type_url)
        return found.version if found else ""

    def own_only(self, type_url: str) -> Collection[str]:
        """Names of this agent's own resources that the centre is not asked for. Its runtime layer is one that both may fill."""
        if type_url == SECRET:
            return self._own.get(type_url, {}).keys() | self.own_secrets
        return () if type_url == RUNTIME else self._own.get(type_url, {}).keys()

    def set_own(self, resources: Mapping[str, Mapping[str, bytes]]) -> None:
        """Replace this agent's own resources; the centre's of the same name win."""
        self._own = {type_url: dict(named) for type_url, named in resources.items()}
        self._own_revision += 1

    def offer(self, response: Response, names: Collection[str] | None) -> bool:
        """Take what the centre sent; False if Envoy has exactly that already, and it needs no answer of Envoy's.

        Args:
            response: the newest for its type.
            names: what Envoy is subscribed to, for types that are asked for by name: the rest is dropped. None: unknown.
        """
        found = self._accepted.get(response.type_url)
        merged = self._merged(response, names)
        if found is not None and found.resources == merged:
            self._offers.pop(response.type_url, None)
            self._accepted[response.type_url] = Accepted(response.version, merged)
            return False
        self._offers[response.type_url] = Response(response.type_url, response.version, response.nonce, merged)
        return True

    def _merged(self, response: Response, names: Collection[str] | None) -> dict[str, bytes]:
        """For types by name an answer may leave out what has not changed."""
        if response.type_url in WHOLE:
            return dict(response.resources)
        known = self._accepted.get(response.type_url, Accepted("")).resources
        dropped = self.own_secrets if response.type_url == SECRET else ()
        found = {**known, **response.resources}.items()
        return {name: value for name, value in found if (names is None or name in names) and name not in dropped}

    def accept(self, offer: Response) -> bool:
        """Envoy has it; False if a newer one has come since, or it is known already."""
        if self._offers.get(offer.type_url) is not offer:
            return False
        del self._offers[offer.type_url]
        self._accepted[offer.type_url] = Accepted(offer.version, offer.resources)
        return True

    def refuse(self, offer: Response) -> bool:
        """Envoy does not want it: it is given what it had. False if a newer one has come since."""
        if self._offers.get(offer.type_url) is not offer:
            return False
        del self._offers[offer.type_url]
        return True

    def answer(self, type_url: str, names: Collection[str] | None, now: int) -> EnvoyAnswer:
        """What Envoy gets now.

        Args:
            type_url: the type.
            names: what it asks for, None for all.
            now: nanoseconds since the epoch; faults that have ended are not given.
        """
        offer = self._offers.get(type_url)
        base = offer or self._accepted.get(type_url) or Accepted("")
        own = self._own.get(type_url, {})
        governed = base.resources
        if type_url == LISTENER:
            governed = {name: self._observe(value) for name, value in governed.items()}
        found = {**own, **governed}
        if names is not None:
            found = {name: found[name] for name in names if name in found}
        ended = 0
        if type_url == RUNTIME:
            left = {name: without_ended(value, now) for name, value in found.items()}
            ended = sum(left[name] != value for name, value in found.items())
            found = left
        version = base.version + (f"+own{self._own_revision}" if own else "") + (f"+ended{ended}" if ended else "")
        complete = names is None or len(found) == len(set(names))
        known = type_url in WHOLE and (offer is not None or type_url in self._accepted)
        return EnvoyAnswer(version or "none", found, offer, complete, known)

    def next_end(self, now: int) -> int | None:
        """When the next fault ends, in nanoseconds since the epoch; None if none does."""
        base = self._offers.get(RUNTIME) or self._accepted.get(RUNTIME)
        layers = [*(base.resources.values() if base else ()), *self._own.get(RUNTIME, {}).values()]
        return min((end for layer in layers for end in ends_of(layer) if end > now), default=None)
