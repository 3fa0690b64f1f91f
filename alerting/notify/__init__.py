"""Receivers: each turns a `Notification` into one request and says what became of it."""
