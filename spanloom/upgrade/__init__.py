"""What an upgrade finds, what of it has to be changed, and the change: `spanloom upgrade`."""
