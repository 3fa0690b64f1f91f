"""Logging in with a browser: by a form, or by an OpenID Connect provider."""
