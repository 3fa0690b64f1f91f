"""What pages and the API show, read from the store."""
