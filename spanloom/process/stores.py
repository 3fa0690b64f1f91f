"""Opens the stores that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanloom import components
from spanloom.config import without_password
from stores.component import StoreContext, store_of
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from spanloom.config import Config
    from stores.component import StoreComponent
    from stores.samples.store import SampleStore
    from stores.store import Store


def require_store(config: Config) -> StoreComponent:
    """What opens the store that the configuration names.

    Raises:
        ConfigError: a URL that no store of ours understands.
    """
    component = store_of(components.STORES, config.store_url)
    if component is None:
        forms = " nor ".join(one.url_form for one in components.STORES)
        raise ConfigError(f"store: {without_password(config.store_url)!r} is neither {forms}")
    return component


def open_store(config: Config) -> Store:
    """The store that the configuration names.

    Raises:
        ConfigError: a URL that no store of ours understands.
        StoreError: it cannot be opened.
    """
    component = require_store(config)
    return component.build(config.of(component), StoreContext(config.store_url, config.namespace))


def open_samples(config: Config) -> SampleStore | None:
    """The store of samples that belongs to the store, if that has one.

    Raises:
        StoreError: it cannot be opened.
    """
    component = store_of(components.STORES, config.store_url)
    if component is None or component.build_samples is None:
        return None
    return component.build_samples(
        config.of(component), StoreContext(config.store_url, config.namespace), config.samples.limits()
    )
