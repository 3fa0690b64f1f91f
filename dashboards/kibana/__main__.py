"""`python -m dashboards.kibana`: writes the saved objects to spanloom.ndjson beside the definitions."""

from __future__ import annotations

from pathlib import Path

from dashboards.kibana.definitions import DASHBOARDS, KINDS
from dashboards.kibana.saved_objects import ndjson, saved_objects

Path(__file__).with_name("spanloom.ndjson").write_bytes(ndjson(saved_objects(KINDS, DASHBOARDS)))
