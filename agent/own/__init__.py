"""Listeners, routes and clusters of an agent's own configuration, for agents without a control plane."""
