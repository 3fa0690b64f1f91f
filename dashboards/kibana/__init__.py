"""Kibana's view: data views and dashboards as Python definitions, and the saved objects that they build."""
