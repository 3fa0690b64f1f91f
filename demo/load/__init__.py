"""Users of the shop: an open-loop load of a few journeys."""
