"""A revision on its way through a fleet: the steps, and what judges them."""
