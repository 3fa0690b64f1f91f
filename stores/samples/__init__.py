"""The store of samples: series, their samples, and rollups of these, behind one interface."""
