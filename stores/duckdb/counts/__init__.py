"""What a DuckDB file counts over its documents without handing them out."""
