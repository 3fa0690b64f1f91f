"""Where documents are kept: one small interface, DuckDB and Elasticsearch behind it."""
