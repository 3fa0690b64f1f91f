"""What people said of findings, and what that changes: bounded, for a time, and a function of the marks alone."""
