"""Who may do what at a process of ours, by its configuration and its address."""
