"""The pages of docs/reference, made from what the product declares; `python -m spanloom.reference` writes them."""
