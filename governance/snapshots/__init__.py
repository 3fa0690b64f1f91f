"""What agents are to have: the policies of revisions, compiled for where each agent stands."""
