"""The token of a deployment on one machine: made at the first start, in a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from components.access.roles import Role
from components.access.tokens import TokenConfig, is_token, new_token, token_hash
from components.private_files import make_private_folder
from components.sender import is_loopback
from spanloom.process.banner import on_terminal
from telemetry.errors import ConfigError

VARIABLE = "SPANLOOM_TOKEN"
NAME = "local"
"""What the audit trail calls whoever has the token."""


def token_file(data_dir: Path) -> Path:
    """Where the token is."""
    return data_dir / "token"


def make_local_token(data_dir: Path) -> str:
    """The token of a data folder, made if there is none. Of several processes that begin at once one makes it.

    Raises:
        ConfigError: the file holds something else, or others can read it.
    """
    path = token_file(data_dir)
    if not path.exists():
        make_private_folder(data_dir)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_token() + "\n")
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass  # another process was first
        finally:
            unfinished.unlink()
    return read_local_token(path)


def read_local_token(path: Path) -> str:
    """The token in a file.

    Raises:
        ConfigError: the file holds something else, or others can read it.
    """
    try:
        token = path.read_text("ascii").strip()
        private = not path.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not private or not is_token(token):
        raise ConfigError(
            f"{path}: must be a token that only its owner can read (mode 0600): remove it, and the next start makes another"
        )
    return token


def local_entry(token: str) -> TokenConfig:
    """The token as one of the configuration."""
    return TokenConfig(name=NAME, role=Role.ADMIN, hash=token_hash(token))


def show_login_link(url: str, token: str) -> None:
    """Say on a terminal how to log in; logs and pipes never get it."""
    on_terminal(f"\nLog in to the console: {url}/login?token={token}\n\n")


def authorization(url: str, data_dir: Path | None = None) -> dict[str, str]:
    """The header by which a command proves itself at the API: SPANLOOM_TOKEN, or on this machine the local token.

    Args:
        url: of the API.
        data_dir: where the local token is; by default what SPANLOOM_DATA_DIR says, or .spanloom.

    Raises:
        ConfigError: the token's file cannot be used.
    """
    token = os.environ.get(VARIABLE, "").strip()
    path = token_file(data_dir or Path(os.environ.get("SPANLOOM_DATA_DIR") or ".spanloom"))
    if not token and is_loopback(urlsplit(url).hostname or "") and path.exists():
        token = read_local_token(path)
    return {"authorization": f"Bearer {token}"} if token else {}
