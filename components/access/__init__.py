"""Who may do what: roles, tokens and identities, for the console, the APIs and the receivers of telemetry."""
