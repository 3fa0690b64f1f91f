"""Envoy's API as it travels: its messages, and the program that reads them."""
