"""The type of a JSON object that its reader interprets: a document, a snapshot, an answer of an API."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
"""Keys and values as JSON has them. What a value is depends on its key, so that each reader says it."""
