"""Alertmanager's configuration files, good and bad ones, on which we and amtool must agree."""

from __future__ import annotations

_HEAD = "route: {receiver: a}\nreceivers:\n- name: a\n"


def _route(text: str) -> str:
    return f"route:\n  receiver: a\n{text}receivers: [{{name: a}}, {{name: b}}]\n"


def _receiver(text: str) -> str:
    return f"{_HEAD}  {text}\n"


def _interval(text: str) -> str:
    return f"{_route('')}time_intervals: [{{name: t, time_intervals: [{text}]}}]\n"


def _http(text: str) -> str:
    return _receiver(f"webhook_configs: [{{url: 'http://x', http_config: {{{text}}}}}]")


FILES: dict[str, list[str]] = {
    "route": [
        _route(""),
        _route("  group_by: [alertname, service]\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h30m\n"),
        _route("  group_by: ['...']\n"),
        _route("  group_by: ['...', a]\n"),
        _route("  group_by: [a, a]\n"),
        _route("  group_by: ['a-b']\n"),
        _route("  group_interval: 0s\n"),
        _route("  repeat_interval: 0s\n"),
        _route("  group_wait: 1x\n"),
        _route("  group_wait: 10\n"),
        _route("  continue: true\n"),
        _route("  matchers: [a=b]\n"),
        _route("  match: {a: b}\n"),
        _route('  routes: [{receiver: b, matchers: [\'a="b"\', c=~d.*, \'{e!="f", g!~"h"}\']}]\n'),
        _route("  routes: [{receiver: none}]\n"),
        _route("  routes: [{match: {a: b}, match_re: {c: 'd|e'}, continue: true, routes: [{receiver: b}]}]\n"),
        _route("  routes: [{match_re: {c: '['}}]\n"),
        _route("  routes: [{match: {'a-b': c}}]\n"),
        _route("  routes: [{matchers: ['a~b']}]\n"),
        _route("  routes: [{matchers: ['a=~\"(\"']}]\n"),
        _route("  routes: [{matchers: ['a=\"b']}]\n"),
        _route("  routes: [{matchers: ['{a=b']}]\n"),
        _route("  routes: [{matchers: ['']}]\n"),
        _route("  routes: [{matchers: ['a=']}]\n"),
        _route("  routes: [{mute_time_intervals: [none]}]\n"),
        _route("  mute_time_intervals: []\n"),
        _route("  receivers: b\n"),
        "receivers: [{name: a}]\n",
        "route: {}\nreceivers: [{name: a}]\n",
        "route: {receiver: a}\n",
        "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
        "route: {receiver: a}\nreceivers: [{name: a}, {name: ''}]\n",
        "",
        "route: [",
        "route: {receiver: a}\nroute: {receiver: a}\nreceivers: [{name: a}]\n",
    ],
    "inhibit_rules": [
        f"{_route('')}inhibit_rules: [{rule}]\n"
        for rule in (
            "{source_matchers: [a=b], target_matchers: ['c=~\"d\"'], equal: [e]}",
            "{source_match: {a: b}, target_match_re: {c: 'd.*'}, equal: [e, f]}",
            "{source_match_re: {a: '('}}",
            "{source: [a=b]}",
            "{equal: ['e-f']}",
            "{}",
        )
    ],
    "time intervals": [
        *(
            _interval(text)
            for text in (
                "{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday', saturday]}",
                "{days_of_month: ['1:5', '-3:-1'], months: ['january:march', '5'], years: ['2020:2030', '2040']}",
                "{times: [{start_time: '00:00', end_time: '24:00'}], location: 'Europe/Berlin'}",
                "{location: Local}",
                "{location: Nowhere/None}",
                "{times: [{start_time: '17:00', end_time: '09:00'}]}",
                "{times: [{start_time: '9:00', end_time: '10:00'}]}",
                "{times: [{start_time: '09:00'}]}",
                "{times: [{start_time: '24:00', end_time: '24:00'}]}",
                "{weekdays: ['friday:monday']}",
                "{weekdays: ['Monday']}",
                "{weekdays: [freeday]}",
                "{days_of_month: ['0']}",
                "{days_of_month: ['32']}",
                "{days_of_month: ['5:1']}",
                "{days_of_month: ['-1:5']}",
                *(
                    f"{{days_of_month: ['{days}']}}"
                    for days in (
                        "5:-1",
                        "3:-29",
                        "1:-27",
                        "1:-28",
                        "2:-27",
                        "28:-1",
                        "27:-1",
                        "31:-1",
                        "31",
                        "-31:-1",
                        "-31:-31",
                    )
                ),
                "{months: ['13']}",
                "{months: ['december:january']}",
                "{years: ['2030:2020']}",
                "{hours: ['1']}",
                "{}",
            )
        ),
        _route("  routes: [{mute_time_intervals: [t]}]\n") + "mute_time_intervals: [{name: t, time_intervals: []}]\n",
        _route("") + "time_intervals: [{name: t, time_intervals: []}, {name: t, time_intervals: []}]\n",
        _route("") + "time_intervals: [{time_intervals: []}]\n",
    ],
    "webhook": [
        _receiver("webhook_configs: [{url: 'http://x/y', max_alerts: 5, send_resolved: false}]"),
        _receiver("webhook_configs: [{}]"),
        _receiver("webhook_configs: [{url: 'x:y'}]"),
        _receiver("webhook_configs: [{url: 'ftp://x'}]"),
        _receiver("webhook_configs: [{url: 'http://x', max_alerts: -1}]"),
        _receiver("webhook_configs: [{url: 'http://x', max_alert: 1}]"),
        _receiver("webhook_configs: {url: 'http://x'}"),
    ],
    "http_config": [
        _http(text)
        for text in (
            "basic_auth: {username: u, password: p}",
            "basic_auth: {username: u, password_file: p}",
            "basic_auth: {username: u, password: p, password_file: p}",
            "authorization: {credentials: c}",
            "authorization: {type: Token, credentials_file: c}",
            "authorization: {credentials: c, credentials_file: c}",
            "authorization: {type: Basic, credentials: c}",
            "authorization: {credentials: c}, basic_auth: {username: u, password: p}",
            "proxy_url: 'http://proxy:3128', follow_redirects: true",
            "tls_config: {insecure_skip_verify: true, server_name: x, min_version: TLS13}",
            "tls_config: {min_version: TLS14}",
            "tls_config: {key: x}",
            "no_such: x",
            "enable_http2: false",
            "bearer_token: x",
            "bearer_token_file: x",
            "bearer_token: x, bearer_token_file: x",
            "bearer_token: x, authorization: {credentials: c}",
            "bearer_token: x, basic_auth: {username: u, password: p}",
            "oauth2: {client_id: c, client_secret: s, token_url: 'http://t', scopes: [a], endpoint_params: {b: c}}",
            "oauth2: {client_id: c, client_secret: s, client_secret_file: f, token_url: 'http://t'}",
            "oauth2: {client_secret: s, token_url: 'http://t'}",
            "oauth2: {client_id: c, client_secret: s}",
            "oauth2: {client_id: c, client_secret: s, token_url: 'http://t'}, authorization: {credentials: c}",
            "",
        )
    ]
    + ["global: {http_config: {authorization: {credentials: x}}}\n" + _route("")],
    "pagerduty": [
        _receiver(f"pagerduty_configs: [{{{text}}}]")
        for text in (
            "routing_key: k",
            "routing_key: k, severity: critical, class: c, component: d, group: g, client: e, client_url: 'http://x'",
            "routing_key: k, details: {a: '{{ .Status }}'}, images: [{src: s, alt: a, href: h}], links: [{href: h, text: t}]",
            "",
            "routing_key: k, url: 'http://x/enqueue', description: d, send_resolved: false",
            "routing_key: k, severities: x",
            "service_key: k",
            "service_key: k, client: c",
        )
    ],
    "opsgenie": [
        _receiver(f"opsgenie_configs: [{{{text}}}]")
        for text in (
            "api_key: k",
            "api_key_file: k, api_url: 'http://x', tags: 'a,b', priority: P1, update_alerts: true, entity: e, actions: a",
            "",
            "api_key: k, api_key_file: f",
            "api_key: k, responders: [{name: n, type: team}, {id: i, type: User}, {name: n, type: '{{ .Status }}'}]",
            "api_key: k, responders: [{type: team}]",
            "api_key: k, responders: [{name: n, type: nobody}]",
            "api_key: k, details: {a: '{{ .Status }}'}, note: n, message: m, description: d, source: s",
            "api_key: k, teams: x",
        )
    ],
    "victorops": [
        _receiver(f"victorops_configs: [{{{text}}}]")
        for text in (
            "api_key: k, routing_key: r",
            "api_key: k",
            "routing_key: r",
            "api_key: k, api_key_file: f, routing_key: r",
            "api_key_file: f, routing_key: r, message_type: INFO, custom_fields: {a: b}",
            "api_key: k, routing_key: r, custom_fields: {entity_id: b}",
            "api_key: k, routing_key: r, entity_display_name: e, state_message: s, monitoring_tool: m, api_url: 'http://x'",
        )
    ],
    "pushover": [
        _receiver(f"pushover_configs: [{{{text}}}]")
        for text in (
            "user_key: u, token: t",
            "user_key: u",
            "token: t",
            "user_key: u, token: t, retry: 30s, expire: 1h, priority: '1', html: true, sound: s, url_title: u",
            "user_key: u, token: t, retry: 1x",
        )
    ],
    "sns": [
        _receiver(f"sns_configs: [{{{text}}}]")
        for text in (
            "topic_arn: t",
            "topic_arn: t, sigv4: {region: r, access_key: k, secret_key: s, profile: p, role_arn: a}",
            "topic_arn: t, sigv4: {access_key: k}",
            "phone_number: p, subject: s, message: m, attributes: {a: b}, api_url: u",
            "target_arn: p",
            "target_arn: p, phone_number: x",
            "",
        )
    ],
    "telegram": [
        _receiver(f"telegram_configs: [{{{text}}}]")
        for text in (
            "bot_token: t, chat_id: -100",
            "chat_id: -100",
            "bot_token: t",
            "bot_token: t, chat_id: x",
            "bot_token: t, chat_id: 1, parse_mode: MarkdownV2, disable_notifications: true, message: m",
            "bot_token: t, chat_id: 1, parse_mode: ''",
            "bot_token: t, chat_id: 1, parse_mode: Text",
        )
    ],
    "discord, webex, wechat": [
        _receiver(text)
        for text in (
            "discord_configs: [{webhook_url: 'http://x'}]",
            "discord_configs: [{webhook_url: 'http://x', title: t, message: m}]",
            "discord_configs: [{}]",
            "discord_configs: [{webhook_url: x}]",
            "webex_configs: [{room_id: r, http_config: {authorization: {credentials: c}}}]",
            "webex_configs: [{room_id: r}]",
            "webex_configs: [{http_config: {authorization: {credentials: c}}}]",
            "wechat_configs: [{api_secret: s, corp_id: c}]",
            "wechat_configs: [{api_secret: s, corp_id: c, message_type: markdown, to_user: u, to_party: p, to_tag: t}]",
            "wechat_configs: [{api_secret: s, corp_id: c, message_type: html}]",
            "wechat_configs: [{corp_id: c}]",
            "wechat_configs: [{api_secret: s}]",
        )
    ],
    "slack": [
        *(
            _receiver(f"slack_configs: [{{api_url: 'http://x/y'{text}}}]")
            for text in (
                "",
                ", channel: '#c', username: u, color: red, title: t, title_link: l, pretext: p, text: x, footer: f",
                ", short_fields: true, fields: [{title: t, value: v}, {title: t, value: v, short: false}]",
                ", fields: [{value: v}]",
                ", fields: [{title: t}]",
                ", actions: [{type: button, text: t, url: 'http://x'}, {type: button, text: t, name: n, value: v}]",
                ", actions: [{type: button, text: t}]",
                ", actions: [{type: button, url: u}]",
                ", icon_emoji: ':x:', icon_url: u, link_names: true, callback_id: c, image_url: i, mrkdwn_in: [text]",
                ", api_url_file: /x",
                ", colour: red",
            )
        ),
        _receiver("slack_configs: [{channel: '#c'}]"),
        _receiver("slack_configs: [{api_url_file: /x}]"),
        "global: {slack_api_url: 'http://x'}\n" + _receiver("slack_configs: [{channel: '#c'}]"),
        "global: {slack_api_url_file: /x}\n" + _receiver("slack_configs: [{channel: '#c'}]"),
        "global: {slack_api_url_file: /x, slack_api_url: 'http://x'}\n" + _route(""),
    ],
    "email": [
        *(
            _receiver(f"email_configs: [{{to: 'a@b', from: 'c@d', smarthost: 'h:25'{text}}}]")
            for text in (
                "",
                ", auth_username: u, auth_password: p, require_tls: false, hello: h",
                ", auth_username: u, auth_password_file: p",
                ", html: '<b>x</b>', text: t, headers: {Subject: s, X-Team: t}",
                ", headers: {Subject: s, subject: t}",
                ", tls_config: {insecure_skip_verify: true}",
                ", cc: 'x@y'",
            )
        ),
        _receiver("email_configs: [{to: 'a@b', from: 'c@d'}]"),
        _receiver("email_configs: [{to: 'a@b', from: 'c@d', smarthost: h}]"),
        _receiver("email_configs: [{to: 'a@b', smarthost: 'h:25'}]"),
        _receiver("email_configs: [{from: 'c@d', smarthost: 'h:25'}]"),
        "global: {smtp_smarthost: 'h:25', smtp_from: 'x@y', smtp_require_tls: false}\n"
        + _receiver("email_configs: [{to: 'a@b'}]"),
        "global: {smtp_smarthost: 'h:25', smtp_from: 'x@y', smtp_auth_password: a, smtp_auth_password_file: b}\n" + _route(""),
    ],
    "values as they are written": [
        _route("match: {page: true, slo: yes, code: 010, since: 2024-01-02, ratio: 1.50, none: }"),
        _route("match_re: {code: 50., page: on}\n  continue: yes"),
        _route("routes:\n  group_by:\n  group_wait:"),
        _route("matchers: [page = true]\n  routes: [{receiver: b, match: {a: null}}]"),
        _route("continue: 1"),
    ],
    "global, templates": [
        "global: {resolve_timeout: 3m, pagerduty_url: 'http://x'}\n" + _route(""),
        "global: {resolve_timeout: x}\n" + _route(""),
        "global: {no_such: x}\n" + _route(""),
        "templates: [good.tmpl]\n" + _route(""),
        "templates: ['*od.tmpl', none.tmpl]\n" + _route(""),
        "templates: [bad.tmpl]\n" + _route(""),
        "templates: [worse.tmpl]\n" + _route(""),
        "templates: good.tmpl\n" + _route(""),
        "no_such: x\n" + _route(""),
    ],
}
TEMPLATES = {
    "good.tmpl": '{{ define "mine" }}{{ .Status | toUpper }}{{ template "__subject" . }}{{ end }}',
    "bad.tmpl": '{{ define "mine" }}{{ nosuch . }}{{ end }}',
    "worse.tmpl": '{{ define "mine" }}',
}

DIFFERENT = {
    _route("  group_by: ['a-b']\n"): "any label name, as in Alertmanager 0.28 and later",
    _route("  routes: [{match: {'a-b': c}}]\n"): "any label name, as in Alertmanager 0.28 and later",
    f"{_route('')}inhibit_rules: [{{equal: ['e-f']}}]\n": "any label name, as in Alertmanager 0.28 and later",
    _route("  routes: [{matchers: ['{a=b']}]\n"): "refused, as in Alertmanager 0.27 and later",
    _interval("{months: ['13']}"): "refused: there is no such month",
    _receiver(
        "slack_configs: [{api_url: 'http://x', title: '{{ nosuch }}'}]"
    ): "refused: a template of a field is compiled at once",
}
"""Files on which we mean to disagree with Debian's amtool 0.25, and why."""
FILES["slack"].append(list(DIFFERENT)[-1])
