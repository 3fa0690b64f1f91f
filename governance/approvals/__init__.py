"""Revisions that wait for somebody: diffs, approvals, refusals, and their end when nobody decides."""
