"""What goes wrong with an OpenID Connect provider; known where its libraries are not installed too."""

from __future__ import annotations

from telemetry.errors import SpanloomError


class OidcError(SpanloomError):
    """The provider cannot be asked, or answers as none would."""


class TokenRefusedError(SpanloomError):
    """A token or a login that the provider did not make, not for us, or no more."""
