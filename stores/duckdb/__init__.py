"""Documents in one DuckDB file."""
