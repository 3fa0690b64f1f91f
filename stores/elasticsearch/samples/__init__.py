"""The store of samples in Elasticsearch."""
