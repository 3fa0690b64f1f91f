"""Parts of the assemble stage: span links between traces, edge windows, what it sends on."""
