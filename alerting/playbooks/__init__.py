"""Self-healing: playbooks, the state machine that runs them, its safety kernel, and the actions.

The way of an alert: `plan` (what was declared) -> `healer` (match, admit by `safety`) -> `machine` (one incident, step
by step) -> `runner` (the only part that does I/O) -> `actions/`. Everything but `runner`, `api/` and `actions/` is pure.
"""
