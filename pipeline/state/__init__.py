"""State of a stage in Faust tables."""
