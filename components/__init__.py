"""What the parts that reach the outside share: access, TLS, HTTP servers, limits, secrets."""
