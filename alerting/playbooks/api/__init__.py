"""Approvals and control of repairs over HTTP."""
