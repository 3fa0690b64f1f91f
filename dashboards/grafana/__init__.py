"""The dashboards of `dashboards.kibana.definitions` for Grafana: over samples by PromQL, and spans by TraceQL."""
