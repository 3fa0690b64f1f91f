"""What Alertmanager's configuration has and this does not take: refused by name, with what to use instead."""

from __future__ import annotations

_NO_SUCH_CLIENT = "is not supported; authorization, basic_auth, proxy_url and tls_config are"
UNSUPPORTED = {
    **dict.fromkeys(
        ("mattermost_configs", "mattermost_webhook_url", "mattermost_webhook_url_file"),
        "is not supported: slack_configs reach it by an incoming webhook",
    ),
    **dict.fromkeys(("oauth2", "no_proxy", "proxy_connect_header"), _NO_SUCH_CLIENT),
    **dict.fromkeys(("service_key", "service_key_file"), "is not supported: use a routing_key of Events API v2"),
    **dict.fromkeys(
        ("auth_secret", "auth_identity", "smtp_auth_secret", "smtp_auth_identity"),
        "is not supported: username and password are",
    ),
    **dict.fromkeys(("app_token", "app_token_file", "slack_app_token", "slack_app_token_file", "slack_app_url"),
                    "is not supported: use the api_url of an incoming webhook"),
    "confirm": "is not supported",
    "threading": "is not supported",
    "tracing": "is not supported",
}  # fmt: skip
"""Fields that Alertmanager has and this does not, and why or what instead."""
