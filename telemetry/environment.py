"""The environment of telemetry: `deployment.environment.name` of its resource, such as production or staging.

Nothing that is learned, counted or decided mixes two of them. Source: OpenTelemetry's semantic conventions of deployments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.metrics import Series

DEFAULT_ENVIRONMENT = "default"
"""That of telemetry which names none. It adds no label to a series and enters no id."""

OTHER_ENVIRONMENT = "other"
"""What environments beyond the configured number share."""

RESOURCE_LABEL = "deployment_environment_name"
"""The label of ingested series."""
LABEL = "environment"
"""The label of series and alerts that are made here, as `service` is; that of the default environment is left away."""


def environment_of(series: Series) -> str:
    """The environment of a series.

    `environment` counts beside a `service` alone, as series that are made here have both: elsewhere it may mean anything.
    """
    named = series.label(RESOURCE_LABEL)
    if not named and series.label("service"):
        named = series.label(LABEL)
    return named or DEFAULT_ENVIRONMENT


def environment_labels(environment: str) -> tuple[tuple[str, str], ...]:
    """The labels by which a series or an alert made here names its environment."""
    return ((LABEL, environment),) if environment != DEFAULT_ENVIRONMENT else ()
