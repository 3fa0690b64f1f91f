"""Between stages: topics, partitions, the records on them, and how they are sent."""
