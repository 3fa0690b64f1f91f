"""The pages by their file names."""

from __future__ import annotations

from pathlib import Path

from spanloom.reference import commands, components, documents, metrics, settings

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

PAGES = {
    "commands.md": commands.page,
    "components.md": components.page,
    "documents.md": documents.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
}
