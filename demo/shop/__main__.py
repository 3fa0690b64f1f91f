"""`python -m demo.shop SERVICE FOLDER`: one instance of one service."""

from __future__ import annotations

import sys
from pathlib import Path

from demo.shop.process import SERVICES, run

if len(sys.argv) != 3 or sys.argv[1] not in SERVICES:  # the program, a service, a folder
    sys.exit(f"usage: python -m demo.shop {{{','.join(SERVICES)}}} FOLDER")
run(sys.argv[1], Path(sys.argv[2]))
