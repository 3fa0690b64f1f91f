"""`python -m dashboards.api`: writes openapi.json, from which the console's client is typed."""

from __future__ import annotations

from dashboards.api.openapi import PATH, description

PATH.write_bytes(description())
