"""Rules, notifications, playbooks and the audit trail."""
