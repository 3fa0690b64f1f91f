"""The declaration of the store in Elasticsearch; its client is imported when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.component import ComponentKind, Stability
from stores.component import StoreComponent
from stores.elasticsearch.config import ElasticsearchConfig

if TYPE_CHECKING:
    from pydantic import BaseModel

    from stores.component import StoreContext
    from stores.elasticsearch.samples.store import ElasticsearchSampleStore
    from stores.elasticsearch.store import ElasticsearchStore
    from stores.samples.store import SampleLimits


def open_cluster(config: ElasticsearchConfig, context: StoreContext) -> ElasticsearchStore:
    """The store on the cluster that the URL names. Nothing is asked of the server yet.

    Raises:
        ConfigError: the URL or the CA file cannot be used.
    """
    from stores.elasticsearch.store import open_elasticsearch  # noqa: PLC0415 - half a second to import

    return open_elasticsearch(context.url, config, context.namespace)


def open_samples(config: BaseModel, context: StoreContext, limits: SampleLimits) -> ElasticsearchSampleStore:
    """The store of samples on the cluster that the URL names. Nothing is asked of the server yet.

    Raises:
        ConfigError: the URL or the CA file cannot be used.
    """
    from stores.elasticsearch.samples.store import ElasticsearchSampleStore  # noqa: PLC0415 - half a second to import

    assert isinstance(config, ElasticsearchConfig)  # noqa: S101 - that of this component
    return ElasticsearchSampleStore(context.url, config, context.namespace, limits)


ELASTICSEARCH = StoreComponent(
    kind=ComponentKind.STORE,
    name="elasticsearch",
    config=ElasticsearchConfig,
    build=open_cluster,
    summary="Data streams of an Elasticsearch cluster, for many processes.",
    stability=Stability.STABLE,
    schemes=("http", "https"),
    url_form="http(s)://HOST:PORT",
    many_processes=True,
    build_samples=open_samples,
)
