"""What finds anomalies in series, logs and the shapes of traces."""
