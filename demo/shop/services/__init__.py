"""The seven services of the shop, one a file; each has `build`."""
