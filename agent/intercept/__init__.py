"""Transparent interception: rules of nftables that send an application's connections through Envoy while it runs."""
