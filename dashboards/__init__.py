"""The console, its API, and the Kibana and Grafana definitions."""
