"""What a store is built from, and which one a URL names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.component import Component
from stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from stores.samples.store import SampleLimits, SampleStore


@dataclass(frozen=True, slots=True)
class StoreContext:
    """Where the documents go: the store's URL, and the namespace of the data streams."""

    url: str
    namespace: str


@dataclass(frozen=True)
class StoreComponent(Component[StoreContext, Store]):
    """The declaration of a store. Its module imports no client library: that is for `build` to do.

    Args:
        schemes: of the URLs that it understands.
        url_form: how such a URL is written.
        many_processes: whether several processes may open one at a time.
        build_samples: opens the store of samples that belongs to it, if it has one.
    """

    schemes: tuple[str, ...] = ()
    url_form: str = ""
    many_processes: bool = False
    build_samples: Callable[[BaseModel, StoreContext, SampleLimits], SampleStore] | None = None


def store_of(components: Iterable[StoreComponent], url: str) -> StoreComponent | None:
    """The component whose URLs look like this."""
    scheme = urlsplit(url).scheme
    return next((one for one in components if scheme in one.schemes), None)
