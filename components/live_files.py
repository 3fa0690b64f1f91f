"""Files that may change while the process runs: reloaded when they do, all or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

log = structlog.get_logger(__name__)

MAX_FILES = 1000


class LiveFiles:
    """The files that patterns such as `rules/*.yml` name; a pattern without a wildcard must name a file that is there.

    Args:
        patterns: which files.
        load: reads them and puts them to use. When it raises a ConfigError, what was in use before must still be.
        named: the patterns of further files, which those name: `load` is called when they change, too.

    Attributes:
        refused: changes that could not be used.
        reason: why the files as they are now are not in use; empty when they are.
        unmatched: how many patterns match no file at present.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        load: Callable[[Sequence[Path]], Awaitable[None]],
        named: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._patterns = patterns
        self._load = load
        self._named = named
        self._seen = ""
        self.refused = 0
        self.unmatched = 0
        self.reason = ""

    def begin(self) -> list[Path]:
        """The files as they are now, for the caller to take by itself: `refresh` looks for changes from here on.

        Raises:
            ConfigError: too many.
        """
        paths = self._matching()
        self._seen = _state([*paths, *self._further()])
        return paths

    def _matching(self) -> list[Path]:
        """The files, and a warning when patterns have come to match none."""
        found = {pattern: matching(pattern) for pattern in self._patterns}
        without = [pattern for pattern, paths in found.items() if not paths]
        if len(without) > self.unmatched:
            log.warning("patterns_match_no_file", patterns=without)
        self.unmatched = len(without)
        return _together(found)

    def _further(self) -> list[Path]:
        return _together({pattern: matching(pattern) for pattern in self._named()})

    async def refresh(self) -> bool:
        """Take the files if they changed since the last call; whether they did. Cheap enough for each second.

        Raises:
            ConfigError: what changed cannot be used, reported once for each change.
        """
        paths = self._matching()
        seen = _state([*paths, *self._further()])
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            await self._load(paths)
        except ConfigError as error:
            self.refused += 1
            self.reason = str(error)
            raise
        self.reason = ""
        self._seen = _state([*paths, *self._further()])  # it may name others now
        return True


def matching(pattern: str) -> list[Path]:
    """The files that a pattern names, sorted; `**` is folders at any depth. Without a wildcard: that file, there or not."""
    path = Path(pattern)
    if not any(sign in pattern for sign in "*?[") or path.is_file():
        return [path]
    return sorted(found for found in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if found.is_file())


def _together(found: Mapping[str, list[Path]]) -> list[Path]:
    """The files of all patterns, each once."""
    paths = list(dict.fromkeys(path for each in found.values() for path in each))
    if len(paths) > MAX_FILES:
        raise ConfigError(f"{', '.join(found)}: {len(paths)} files; at most {MAX_FILES}")
    return paths


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
