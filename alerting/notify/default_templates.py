"""The named templates that Alertmanager has by default: its names, and texts that read the same.

https://prometheus.io/docs/alerting/latest/notifications/
"""

from __future__ import annotations

SUBJECT = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}] '
    '{{ .GroupLabels.Values | join " " }} '
    '{{ with .CommonLabels.Remove .GroupLabels.Names }}({{ .Values | join " " }}){{ end }}'
)
"""A line for one group: `[FIRING:2] Slow (cart critical)`."""
TITLE = '{{ template "__subject" . }}'
TEXT = (
    "{{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }}: "
    "{{ if .Annotations.summary }}{{ .Annotations.summary }}{{ else }}{{ .Annotations.description }}{{ end }}\n"
    '{{ range .Labels.SortedPairs }}  {{ .Name }}="{{ .Value }}"\n{{ end }}{{ end }}'
)
"""A paragraph for each alert, with its summary."""
_URL = "{{ .ExternalURL }}"
_COMMON = '{{ .CommonAnnotations.Values | join " " }}'


def _alerts(mark: str, gap: str) -> str:
    """A paragraph for each alert of a list, its pairs marked with dashes."""

    def pairs(of: str) -> str:
        return f"{of}:\n{{{{ range .{of}.SortedPairs }}}}{mark} {{{{ .Name }}}} = {{{{ .Value }}}}\n{{{{ end }}}}{gap}"

    return f"{{{{ range . }}}}{gap}{pairs('Labels')}{pairs('Annotations')}Source: {{{{ .GeneratorURL }}}}\n{{{{ end }}}}{gap}"


def _both(before: str, heading: str, listed: str, gap: str, after: str) -> str:
    """What fires, then what is resolved, each under a heading, where there is any."""
    parts = [
        f"{{{{ if .Alerts.{state} }}}}{gap}{heading}Alerts {state}:\n"
        f'{{{{ template "{listed}" .Alerts.{state} }}}}{gap}{{{{ end }}}}'
        for state in ("Firing", "Resolved")
    ]
    return before + "\n".join(parts) + after


_PLAIN = _both("\n", "", "__text_alert_list", "\n", "\n")
_MARKDOWN = _both("\n", "# ", "__text_alert_list_markdown", "\n", "\n")
_COMMON_FIRST = _COMMON + _PLAIN
_OPSGENIE = _COMMON + "\n" + _both("", "", "__text_alert_list", "", "")


def _priority() -> str:
    """The highest severity of what fires, or of what is resolved, as Jira names priorities."""
    steps = "".join(
        f'{{{{ range .Alerts.{state} }}}}{{{{ if eq .Labels.severity "{severity}" }}}}{{{{ $found = "{name}" }}}}'
        "{{ end }}{{ end }}"
        for state in ("Resolved", "Firing")
        for severity, name in (("info", "Low"), ("warning", "Medium"), ("critical", "High"))
    )
    return f'{{{{ $found := "" }}}}{steps}{{{{ $found }}}}'


EMAIL_HTML = (
    "<pre>{{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }}: {{ .Annotations.summary }}\n"
    '{{ range .Labels.SortedPairs }}  {{ .Name }}="{{ .Value }}"\n{{ end }}{{ end }}</pre>'
    '<p><a href="{{ .ExternalURL }}">{{ .ExternalURL }}</a></p>'
)

DEFAULT_TEMPLATES = {
    "__alertmanager": "Spanloom",
    "__alertmanagerURL": _URL,
    "__subject": SUBJECT,
    "__description": TEXT,
    "__text_alert_list": _alerts(" -", ""),
    "__text_alert_list_markdown": _alerts("  -", "\n"),
    "discord.default.content": "",
    "discord.default.title": TITLE,
    "discord.default.message": _PLAIN,
    "email.default.subject": TITLE,
    "email.default.html": EMAIL_HTML,
    "jira.default.summary": TITLE,
    "jira.default.description": _MARKDOWN,
    "jira.default.priority": _priority(),
    "mattermost.default.username": "Spanloom",
    "mattermost.default.color": '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
    "mattermost.default.text": _MARKDOWN,
    "mattermost.default.title": TITLE,
    "mattermost.default.titlelink": _URL,
    "mattermost.default.fallback": TITLE + " | {{ .ExternalURL }}",
    "msteams.default.summary": TITLE,
    "msteams.default.title": TITLE,
    "msteams.default.text": _MARKDOWN,
    "msteamsv2.default.title": TITLE,
    "msteamsv2.default.text": _MARKDOWN,
    "opsgenie.default.message": TITLE,
    "opsgenie.default.description": _OPSGENIE,
    "opsgenie.default.source": _URL,
    "pagerduty.default.description": TITLE,
    "pagerduty.default.client": "Spanloom",
    "pagerduty.default.clientURL": _URL,
    "pagerduty.default.instances": '{{ template "__text_alert_list" . }}',
    "pushover.default.title": TITLE,
    "pushover.default.message": _COMMON_FIRST,
    "pushover.default.url": _URL,
    "rocketchat.default.title": TITLE,
    "rocketchat.default.alias": "Spanloom",
    "rocketchat.default.titlelink": _URL,
    "rocketchat.default.emoji": "",
    "rocketchat.default.iconurl": "",
    "rocketchat.default.text": "",
    "slack.default.title": TITLE,
    "slack.default.username": "Spanloom",
    "slack.default.color": '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
    "slack.default.fallback": TITLE + " | {{ .ExternalURL }}",
    "slack.default.callbackid": "",
    "slack.default.pretext": "",
    "slack.default.titlelink": _URL,
    "slack.default.iconemoji": "",
    "slack.default.iconurl": "",
    "slack.default.text": TEXT,
    "slack.default.footer": "",
    "sns.default.subject": TITLE,
    "sns.default.message": _COMMON_FIRST,
    "telegram.default.message": _PLAIN,
    "victorops.default.entity_display_name": TITLE,
    "victorops.default.monitoring_tool": "Spanloom",
    "victorops.default.state_message": _OPSGENIE,
    "webex.default.message": _COMMON_FIRST,
    "wechat.default.message": TITLE + "\n" + _OPSGENIE + "\nAlertmanagerUrl:\n{{ .ExternalURL }}",
    "wechat.default.to_user": "",
    "wechat.default.to_party": "",
    "wechat.default.to_tag": "",
    "wechat.default.agent_id": "",
}


def default(receiver: str, field: str) -> str:
    """The default of a receiver's field: a template that files under `templates:` may replace for all receivers of its kind."""
    return f'{{{{ template "{receiver}.default.{field}" . }}}}'
