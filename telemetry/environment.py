"""The environment of telemetry: `deployment.environment.name` of its resource, such as production or staging.

Nothing that is learned, counted or decided mixes two of them. Source: OpenTelemetry's semantic conventions of deployments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = TypeVar("Item")

DEFAULT_ENVIRONMENT = "default"
"""That of telemetry which names none. It adds no label to a series and enters no id."""

OTHER_ENVIRONMENT = "other"
"""What environments beyond the configured number share."""

EVERY_ENVIRONMENT = "*"
"""Where rules of `scope: global` run: over the series of all. No telemetry can name it."""

RESOURCE_LABEL = "deployment_environment_name"
"""The label of ingested series."""
LABEL = "environment"
"""The label of series and alerts that are made here, as `service` is; that of the default environment is left away."""

EDGE_PREFIX = "spanloom_edge_"
"""Of the names of series that are about the calls between two nodes: these have `client` and `server`, and no `service`."""


class Labelled(Protocol):
    """A series, as far as it says where it comes from."""

    @property
    def name(self) -> str:
        """Of its metric."""
        ...

    def label(self, name: str) -> str:
        """The value of a label, or empty."""
        ...


def environment_of(series: Labelled) -> str:
    """The environment of a series.

    `environment` counts beside a `service` alone, and of edges: series that are made here have it so. Elsewhere it may mean
    anything.
    """
    named = series.label(RESOURCE_LABEL)
    if not named and (series.label("service") or series.name.startswith(EDGE_PREFIX)):
        named = series.label(LABEL)
    return named or DEFAULT_ENVIRONMENT


def foremost(of: Mapping[str, Item]) -> Item | None:
    """Of what there is by environment that of the default one, else of the first by name; None where there is none."""
    return of.get(DEFAULT_ENVIRONMENT) or next((of[name] for name in sorted(of)), None)


def environment_labels(environment: str) -> tuple[tuple[str, str], ...]:
    """The labels by which a series or an alert made here names its environment."""
    return ((LABEL, environment),) if environment not in {DEFAULT_ENVIRONMENT, EVERY_ENVIRONMENT} else ()


def with_environment(labels: tuple[tuple[str, str], ...], environment: str) -> tuple[tuple[str, str], ...]:
    """Sorted labels of a series made here, with that of its environment among them."""
    return labels if environment == DEFAULT_ENVIRONMENT else tuple(sorted((*labels, (LABEL, environment))))
