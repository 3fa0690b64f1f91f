"""`python -m dashboards.grafana FOLDER`: writes a file a dashboard there, such as to deploy/grafana/dashboards."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.grafana.files import files

for name, content in files().items():
    (Path(sys.argv[1]) / name).write_bytes(content)
