"""The demo run: pipeline, shop and load as processes of their own; a fault, and all that must follow from it."""
