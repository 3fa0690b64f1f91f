"""Routing, grouping, silencing and inhibition of alerts, as Prometheus Alertmanager has them."""
