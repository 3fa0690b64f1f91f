"""The dashboards as files that Grafana provisions."""

from __future__ import annotations

import orjson

from dashboards.grafana.itself import itself
from dashboards.grafana.panels import dashboard
from dashboards.kibana.definitions import DASHBOARDS


def files() -> dict[str, bytes]:
    """The content of each file by its name."""
    made = [*(dashboard(definition) for definition in DASHBOARDS), itself()]
    return {f"{one['uid']}.json": orjson.dumps(one, option=orjson.OPT_INDENT_2) + b"\n" for one in made if one["panels"]}
