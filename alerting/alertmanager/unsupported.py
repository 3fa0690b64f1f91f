"""What Alertmanager's configuration has and this does not take: refused by name, with what to use instead."""

from __future__ import annotations

_BY_APPRISE = "is not supported: apprise_configs reach the same service"
_NO_SUCH_CLIENT = "is not supported; authorization, basic_auth, proxy_url and tls_config are"
UNSUPPORTED = {
    **{
        f"{name}_configs": _BY_APPRISE
        for name in (
            "discord", "jira", "mattermost", "msteams", "msteamsv2", "opsgenie", "pushover", "rocketchat", "sns", "telegram",
            "victorops", "webex", "wechat", "incidentio",
        )
    },
    **dict.fromkeys(
        (
            "jira_api_url",
            "mattermost_webhook_url", "mattermost_webhook_url_file", "opsgenie_api_key", "opsgenie_api_key_file",
            "opsgenie_api_url", "rocketchat_api_url", "rocketchat_token", "rocketchat_token_file", "rocketchat_token_id",
            "rocketchat_token_id_file", "telegram_api_url", "telegram_bot_token", "telegram_bot_token_file",
            "victorops_api_key", "victorops_api_key_file", "victorops_api_url", "webex_api_url", "wechat_api_corp_id",
            "wechat_api_secret", "wechat_api_url",
        ),
        _BY_APPRISE,
    ),
    **dict.fromkeys(
        ("oauth2", "no_proxy", "proxy_connect_header"),
        _NO_SUCH_CLIENT,
    ),
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
