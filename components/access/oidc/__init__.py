"""Login and tokens of an OpenID Connect provider."""
