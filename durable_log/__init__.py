"""A durable log on local files: records of partitions, group commit, compaction. Knows nothing of Faust."""
