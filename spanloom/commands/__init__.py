"""The commands of `spanloom`, one a file."""
