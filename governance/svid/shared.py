"""One authority for several control planes: its files, encrypted, in the store that they share.

A step of a rotation is done to the files of one control plane. That one puts them into the store, and the others take them
from there. What the store has holds: whoever was slower takes it, and says so. A step may be followed by the next one when
the agents of all control planes have it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Protocol

import orjson
import structlog
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from components.private_files import make_private_folder, write_private
from governance.svid.rotation import AUTHORITY, NEXT
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

SHARED = "authority-shared"
"""The file that says which version of the store's these files are, or were before a step was done to them."""


class AuthorityStore(Protocol):
    """Where control planes share it.

    Raises:
        StoreError: from every method: it cannot be reached, or refuses.
    """

    async def authority(self) -> tuple[int, str] | None:
        """Its version, from 1 on, and what was kept; None where nothing was."""
        ...

    async def keep_authority(self, data: str, note: JsonObject, now: int, *, before: int) -> bool:
        """Keep the version after `before` (0: the first); whether nobody was faster. `note` goes on the audit trail."""
        ...

    async def acknowledge_authority(self, digest: str) -> bool:
        """Note that this control plane's agents have these roots; whether those of all that are there have them."""
        ...


class SharedAuthority:
    """The files of one control plane, and the store.

    Args:
        folder: of the files.
        secret: what they are encrypted with; the same at all.
        store: that all share.
    """

    def __init__(self, folder: Path, secret: str, store: AuthorityStore) -> None:
        self._folder, self._store = folder, store
        derived = HKDF(SHA256(), 32, None, b"spanloom control authority").derive(secret.encode())
        self._cipher = Fernet(base64.urlsafe_b64encode(derived))

    async def sync(self, now: int) -> None:
        """Have the files of the store, or put there what was done to those that are here.

        Raises:
            StoreError: the store cannot be reached.
            ConfigError: what it has was encrypted with another secret.
            OSError: a file cannot be read or written.
        """
        version, digest = self._noted()
        here, found = self._content(), await self._store.authority()
        changed = here is not None and _digest(here) != digest
        if found is not None and found[0] != version:
            content = self._decrypted(found[1])
            if changed and here != content:
                log.error("authority_changed_elsewhere", hint="the files of the store replace those here; do the step again")
            self._write(content)
            self._note(found[0], content)
        elif changed and here is not None:
            note: JsonObject = {"sha256": hashlib.sha256(self._certificates(here)).hexdigest()}
            if await self._store.keep_authority(self._encrypted(here), note, now, before=version):
                self._note(version + 1, here)
                log.info("authority_shared", version=version + 1)
            # Else somebody was faster: the next time it is theirs that is taken.

    async def reached_by_all(self, bundle: str) -> bool:
        """Note that the agents of this control plane have a bundle; whether those of all control planes have it.

        Raises:
            StoreError: the store cannot be reached.
        """
        return await self._store.acknowledge_authority(hashlib.sha256(bundle.encode()).hexdigest())

    def _content(self) -> bytes | None:
        """Both files as one; None while there is no authority."""
        if not (self._folder / AUTHORITY).exists():
            return None
        files = {name: path.read_text("ascii") for name in (AUTHORITY, NEXT) if (path := self._folder / name).exists()}
        return orjson.dumps(files, option=orjson.OPT_SORT_KEYS)

    def _write(self, content: bytes) -> None:
        files: dict[str, str] = orjson.loads(content)
        make_private_folder(self._folder)
        if NEXT in files:
            write_private(self._folder / NEXT, files[NEXT].encode())
        write_private(self._folder / AUTHORITY, files[AUTHORITY].encode())
        if NEXT not in files:
            (self._folder / NEXT).unlink(missing_ok=True)

    @staticmethod
    def _certificates(content: bytes) -> bytes:
        """What is no secret of it."""
        text = str(orjson.loads(content)[AUTHORITY])
        return text[text.index("-----BEGIN CERTIFICATE") :].encode()

    def _encrypted(self, content: bytes) -> str:
        return self._cipher.encrypt(content).decode()

    def _decrypted(self, data: str) -> bytes:
        try:
            return self._cipher.decrypt(data.encode())
        except InvalidToken:
            raise ConfigError(
                "control.identity.shared_key: the authority in control.store was encrypted with another one"
            ) from None

    def _noted(self) -> tuple[int, str]:
        try:
            found = orjson.loads((self._folder / SHARED).read_bytes())
            return int(found["version"]), str(found["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def _note(self, version: int, content: bytes) -> None:
        write_private(self._folder / SHARED, orjson.dumps({"version": version, "sha256": _digest(content)}))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
