"""The command line, the configuration and the composition root that wires the parts."""
