"""What Alertmanager's configuration has and this does not take: refused by name, with what to use instead."""

from __future__ import annotations

UNSUPPORTED = {
    **dict.fromkeys(
        ("mattermost_configs", "mattermost_webhook_url", "mattermost_webhook_url_file"),
        "is not supported: slack_configs reach it by an incoming webhook",
    ),
    **dict.fromkeys(("app_token", "app_token_file", "slack_app_token", "slack_app_token_file", "slack_app_url"),
                    "is not supported: use the api_url of an incoming webhook"),
    "threading": "is not supported",
    "tracing": "is not supported",
}  # fmt: skip
"""Fields that Alertmanager has and this does not, and why or what instead."""
