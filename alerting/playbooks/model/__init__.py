"""What a playbook declares, and what an incident is."""
