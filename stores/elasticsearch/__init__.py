"""Documents in the data streams of an Elasticsearch."""
