"""Rule files that may change while the engine runs: read again when they do, all or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from alerting.durations import MINUTE
from alerting.rules import load_rules
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.engine import AlertEngine

MAX_FILES = 1000


class RuleFiles:
    """The files that patterns such as `rules/*.yml` name; a pattern without a wildcard must name a file that is there."""

    def __init__(self, patterns: Sequence[str], default_interval: int = MINUTE) -> None:
        self._patterns = patterns
        self._interval = default_interval
        self._seen = ""
        self.refused = 0

    def refresh(self, engine: AlertEngine) -> bool:
        """Give the engine the rules if the files changed since the last call; whether they did. Cheap enough for each second.

        Raises:
            ConfigError: what changed cannot be used, said once for each change; the engine keeps the old rules.
        """
        paths = self._paths()
        seen = _state(paths)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            engine.replace_rules(load_rules(paths, self._interval))
        except ConfigError:
            self.refused += 1
            raise
        return True

    def _paths(self) -> list[Path]:
        found: dict[Path, None] = {}
        for pattern in self._patterns:
            path = Path(pattern)
            if any(sign in path.name for sign in "*?["):
                found |= dict.fromkeys(sorted(path.parent.glob(path.name)))
            else:
                found[path] = None
        if len(found) > MAX_FILES:
            raise ConfigError(f"{len(found)} rule files; at most {MAX_FILES}")
        return list(found)


def _state(paths: Sequence[Path]) -> str:
    """What changes when a file does: names, sizes, times and inodes."""
    state = hashlib.blake2b(digest_size=16)
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            state.update(f"{path}:{error.errno};".encode())
        else:
            state.update(f"{path}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino};".encode())
    return state.hexdigest()
