"""Another root for a trust domain without a failed call: three steps, which a control plane that runs follows by itself.

1. `begin` makes the next root; agents trust both, certificates are of the old one.
2. `switch`, once all agents have that: certificates are of the new root, both are trusted. The old key is gone.
3. `finish`, once certificates of the old root have ended: the new one alone is trusted.

`replace` is for a root whose key is stolen: another one at once, and nothing of the old one is trusted. The control plane
notes in a file which roots all agents have acknowledged; `switch` and `finish` wait for that.

The file of the authority has its key and certificate first, and then what is trusted beside it. A step that was cut off
is done again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from components.private_files import make_private_folder, write_private
from governance.svid.authority import Authority, new_root
from telemetry.errors import ConfigError, SpanloomError

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY, NEXT = "authority.pem", "authority-next.pem"
ACKNOWLEDGED = "authority-acknowledged"
"""SHA-256 of the bundle that every agent has: certificates of roots, the one that issues first."""


def begin(folder: Path, trust_domain: str, now: int) -> None:
    """Make the next root and have it trusted.

    Raises:
        ConfigError: a rotation is on its way, or there is no authority.
        OSError: a file cannot be read or written.
    """
    current = _read(folder / AUTHORITY, trust_domain, now)
    if not (folder / NEXT).exists():
        if current.others:
            raise ConfigError(f"{folder / AUTHORITY}: trusts another root already: finish that rotation first")
        write_private(folder / NEXT, new_root(trust_domain, now))
    following = _read(folder / NEXT, trust_domain, now)
    write_private(folder / AUTHORITY, current.own + following.certificate)


def switch(folder: Path, trust_domain: str, now: int, *, force: bool = False) -> None:
    """Issue certificates of the next root from now on; `force`: though some may not trust it yet.

    Raises:
        ConfigError: none was begun.
        SpanloomError: not every agent trusts it yet.
        OSError: as above.
    """
    current = _read(folder / AUTHORITY, trust_domain, now)
    if not (folder / NEXT).exists():
        raise ConfigError(f"{folder / NEXT}: is not there: begin a rotation first")
    following = _read(folder / NEXT, trust_domain, now)
    if following.certificate != current.certificate:
        if following.certificate not in current.others:
            raise ConfigError(f"{folder / AUTHORITY}: does not trust {NEXT} yet: begin the rotation again")
        if not force:
            _check_acknowledged(folder, current)
        write_private(folder / AUTHORITY, following.own + current.certificate)
    (folder / NEXT).unlink()


def finish(folder: Path, trust_domain: str, ttl: int, now: int, *, force: bool = False) -> None:
    """Trust the new root alone; `force`: though some may not have certificates of it yet.

    Raises:
        ConfigError: there is nothing to finish.
        SpanloomError: certificates of the old root may still be valid, or be in use: it is too early.
        OSError: as above.
    """
    path = folder / AUTHORITY
    if (folder / NEXT).exists():
        raise ConfigError(f"{folder / NEXT}: is still to be switched to")
    current = _read(path, trust_domain, now)
    if not current.others:
        raise ConfigError(f"{path}: trusts one root alone")
    if (left := path.stat().st_mtime_ns + ttl - now) > 0:
        raise SpanloomError(f"{path}: certificates of the old root are valid for {left // 10**9 + 1} s yet; finish after that")
    if not force:
        _check_acknowledged(folder, current)
    write_private(path, current.own)


def replace(folder: Path, trust_domain: str, now: int) -> None:
    """Another root at once; certificates of the old one, and of one that was to follow, are no longer trusted.

    Raises:
        ConfigError: what is there is another trust domain's.
        OSError: as above.
    """
    if (folder / AUTHORITY).exists():
        _read(folder / AUTHORITY, trust_domain, now)
    make_private_folder(folder)
    write_private(folder / AUTHORITY, new_root(trust_domain, now))
    (folder / NEXT).unlink(missing_ok=True)


def acknowledge(folder: Path, bundle: str) -> None:
    """Note that every agent has this bundle, and a certificate of its first root.

    Raises:
        OSError: it cannot be written.
    """
    write_private(folder / ACKNOWLEDGED, _digest(bundle))


def _check_acknowledged(folder: Path, current: Authority) -> None:
    path = folder / ACKNOWLEDGED
    if not path.exists() or path.read_bytes() != _digest(current.bundle):
        raise SpanloomError(
            f"{path}: not every agent has the step before yet; try again when `spanloom fleet list` shows all connected, "
            "or with --force where agents that are away do not matter"
        )


def _digest(bundle: str) -> bytes:
    return hashlib.sha256(bundle.encode()).hexdigest().encode()


def _read(path: Path, trust_domain: str, now: int) -> Authority:
    if not path.exists():
        raise ConfigError(f"{path}: no authority is here yet: start the control plane with control.identity first")
    return Authority(path, trust_domain, 1, now)
