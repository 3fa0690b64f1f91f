"""The snapshot on disk: what Envoy accepted last, for a start while the control plane is away."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING

import structlog

from agent.relay.messages import SECRET, TYPES, name_of
from agent.relay.snapshots import Accepted
from components.private_files import make_private_folder, write_private
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = structlog.get_logger(__name__)

FORMAT = 1


class LastGood:
    """A file of two lines: the SHA-256 of the second, and the resources by type. It is its owner's alone.

    Args:
        path: the file.
        keep_secrets: whether keys and certificates are written, too.
        max_bytes: of a file that is read or written.
    """

    def __init__(self, path: Path, *, keep_secrets: bool, max_bytes: int) -> None:
        self._path = path
        self._keep_secrets = keep_secrets
        self._max_bytes = 2 * max_bytes  # base64 and names

    def read(self) -> dict[str, Accepted]:
        """What was written last, by type; empty where nothing was, or what is there is damaged, which the log says."""
        try:
            return _decode(self._content())
        except FileNotFoundError:
            return {}
        except (OSError, InputError) as error:
            log.warning(
                "last_good_unusable", path=str(self._path), reason=str(error), hint="the control plane's answer replaces it"
            )
            return {}

    def _content(self) -> bytes:
        if self._path.stat().st_size > self._max_bytes:
            raise InputError(f"more than {self._max_bytes} bytes")
        digest, _, content = self._path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            raise InputError("its checksum is wrong")
        return content

    def write(self, accepted: Mapping[str, Accepted]) -> None:
        """Replace the file, whole or not at all.

        Raises:
            InputError: it would be larger than allowed.
            OSError: the disk does not take it.
        """
        types = {
            type_url: {
                "version": one.version,
                "resources": {name: base64.b64encode(value).decode() for name, value in one.resources.items()},
            }
            for type_url, one in accepted.items()
            if self._keep_secrets or type_url != SECRET
        }
        content = json.dumps({"format": FORMAT, "types": types}).encode()
        if len(content) > self._max_bytes:
            raise InputError(f"{self._path}: the snapshot has more than {self._max_bytes} bytes")
        make_private_folder(self._path.parent)
        write_private(self._path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def _decode(content: bytes) -> dict[str, Accepted]:
    try:
        read = json.loads(content)
        if read["format"] != FORMAT:
            raise InputError(f"format {read['format']!r}, this release reads {FORMAT}")
        found = {}
        for type_url, one in read["types"].items():
            resources = {name: base64.b64decode(text, validate=True) for name, text in one["resources"].items()}
            if type_url in TYPES and all(name_of(type_url, value) == name for name, value in resources.items()):
                found[type_url] = Accepted(str(one["version"]), resources)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise InputError(f"not a snapshot: {error!r}") from error
    return found
