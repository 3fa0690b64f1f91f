"""Labels that say which Spanloom an alert comes from, added as it is sent: `global.external_labels` of a Prometheus.

Rules, their alerts, `ALERTS` and stored documents do not have them; routes, silences, inhibition, receivers and other
Alertmanagers see them as labels of the alert.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

MAX_LABELS = 50
MAX_VALUE = 1024
"""Characters of a value."""


def _label_names(labels: dict[str, str]) -> dict[str, str]:
    for name, value in labels.items():
        if not (name and name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()) or name == "__name__":
            raise ValueError(f'"{name}" is not a label name')
        if len(value) > MAX_VALUE:
            raise ValueError(f"{name}: {len(value)} characters; at most {MAX_VALUE}")
    return {name: value for name, value in labels.items() if value}


ExternalLabels = Annotated[dict[str, str], Field(max_length=MAX_LABELS), AfterValidator(_label_names)]
"""By name; one without a value is none."""
