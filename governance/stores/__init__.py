"""Where revisions are kept: a SQLite file, or a PostgreSQL that several control planes share."""
