"""Policies, and the control plane that carries them to the agents of a fleet by xDS."""
