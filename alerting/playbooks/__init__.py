"""Self-healing: playbooks, the state machine that runs them, its safety kernel, and the actions.

The way of an alert: `plan` (what was declared) -> `healer` (match, admit by `safety`) -> `machine` (one incident, step
by step) -> `run` (the only part that does I/O) -> `actions/`. Everything but `run`, `approval` and `actions/` is pure.
"""
