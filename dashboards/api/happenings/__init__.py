"""What happened: how new the data is, anomalies, rankings, incidents, and a stream of changes."""
