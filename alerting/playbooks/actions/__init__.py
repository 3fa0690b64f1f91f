"""What a playbook can do. One action a file."""
