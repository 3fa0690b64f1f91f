"""The data model: what a span, a log record, a metric, a call graph and a stored document are."""
