"""What is done for each span, in batches: a reference in Python, and the same in a native core where it is installed."""
