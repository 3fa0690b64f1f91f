"""Parts of the act stage: one environment's alerts and repairs, rankings, approvals."""
