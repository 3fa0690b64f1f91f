"""Another root for a trust domain without a failed call: three steps, each before a start of the control plane.

1. `begin` makes the next root; agents trust both, certificates are of the old one.
2. `switch`, once all agents have that: certificates are of the new root, both are trusted. The old key is gone.
3. `finish`, once certificates of the old root have ended: the new one alone is trusted.

The file of the authority has its key and certificate first, and then what is trusted beside it. A step that was cut off
is done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.private_files import write_private
from governance.svid.authority import Authority, new_root
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY, NEXT = "authority.pem", "authority-next.pem"


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


def switch(folder: Path, trust_domain: str, now: int) -> None:
    """Issue certificates of the next root from now on.

    Raises:
        ConfigError: none was begun.
        OSError: as above.
    """
    current = _read(folder / AUTHORITY, trust_domain, now)
    if not (folder / NEXT).exists():
        raise ConfigError(f"{folder / NEXT}: is not there: begin a rotation first")
    following = _read(folder / NEXT, trust_domain, now)
    if following.certificate != current.certificate:
        if following.certificate not in current.others:
            raise ConfigError(f"{folder / AUTHORITY}: does not trust {NEXT} yet: begin the rotation again")
        write_private(folder / AUTHORITY, following.own + current.certificate)
    (folder / NEXT).unlink()


def finish(folder: Path, trust_domain: str, ttl: int, now: int) -> None:
    """Trust the new root alone.

    Raises:
        ConfigError: there is nothing to finish, or certificates of the old root may still be valid.
        OSError: as above.
    """
    path = folder / AUTHORITY
    if (folder / NEXT).exists():
        raise ConfigError(f"{folder / NEXT}: is still to be switched to")
    current = _read(path, trust_domain, now)
    if not current.others:
        raise ConfigError(f"{path}: trusts one root alone")
    if (left := path.stat().st_mtime_ns + ttl - now) > 0:
        raise ConfigError(f"{path}: certificates of the old root are valid for {left // 10**9 + 1} s yet; finish after that")
    write_private(path, current.own)


def _read(path: Path, trust_domain: str, now: int) -> Authority:
    if not path.exists():
        raise ConfigError(f"{path}: no authority is here yet: start the control plane with control.identity first")
    return Authority(path, trust_domain, 1, now)
