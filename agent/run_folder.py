"""The folder of sockets and of the bootstrap: in the system's folder for such, as the path of a socket is short."""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from components.private_files import make_private_folder, write_private

if TYPE_CHECKING:
    from typing import Self

_REMEMBERED = "run-folder"


class RunFolder:
    """Made on entering, removed on leaving; what an agent that was killed left is removed by the next.

    Args:
        data: the agent's folder of what lasts.
        user: user and group id of Envoy; None if it runs as we do.
    """

    def __init__(self, data: Path, user: int | None) -> None:
        self._data, self.user = data, user
        self._path = Path()

    def __enter__(self) -> Self:
        make_private_folder(self._data)
        self._remove_remembered()
        self._path = Path(tempfile.mkdtemp(prefix="spanloom-agent-"))
        write_private(self._data / _REMEMBERED, str(self._path).encode())
        self._envoys.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self._envoys, self.user, self.user)
            os.chown(self._path, -1, self.user)
            self._path.chmod(0o710)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        (self._data / _REMEMBERED).unlink(missing_ok=True)

    def _remove_remembered(self) -> None:
        try:
            left = Path((self._data / _REMEMBERED).read_text("utf-8"))
        except (OSError, ValueError):
            return
        if left.parent == Path(tempfile.gettempdir()) and left.name.startswith("spanloom-agent-"):
            shutil.rmtree(left, ignore_errors=True)

    @property
    def _envoys(self) -> Path:
        return self._path / "envoy"

    @property
    def relay(self) -> Path:
        """The socket of the relay."""
        return self._path / "relay"

    def admin(self, epoch: int) -> Path:
        """The socket of an Envoy's administration, by how many handed over before it."""
        return self._envoys / f"admin-{epoch}"

    @property
    def base_id(self) -> int:
        """Of Envoy's shared memory: the same for each Envoy of this folder, which so replaces what one before left."""
        return zlib.crc32(str(self._data.resolve()).encode()) >> 6

    def write(self, name: str, content: bytes) -> Path:
        """A file that Envoy may read, and nobody else."""
        path = self._path / name
        write_private(path, content)
        if self.user is not None:
            os.chown(path, self.user, self.user)
        return path
