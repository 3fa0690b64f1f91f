"""Which service is to blame: rankings of culprits and their evidence."""
