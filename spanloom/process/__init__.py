"""A process of ours: its data folder, its exit code, and commands that end with it."""
