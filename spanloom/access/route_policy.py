"""Which right each HTTP and WebSocket route of every role needs. A route that is not here is not answered."""

from __future__ import annotations

from components.access.policy import Need, Policy, Route

NOTHING, LINK, METRICS, READ, OPERATE = Need.NOTHING, Need.LINK, Need.METRICS, Need.READ, Need.OPERATE

ROUTES = (
    # Probes: whether it lives and is ready, and nothing else.
    Route("/healthz", {"GET": NOTHING}),
    Route("/readyz", {"GET": NOTHING}),
    Route("/-/healthy", {"GET": NOTHING}),
    Route("/-/ready", {"GET": NOTHING}),
    Route("/metrics", {"GET": METRICS}),
    # Logins check what they are given.
    Route("/login", {"GET": NOTHING, "POST": NOTHING}),
    Route("/login/oidc", {"GET": NOTHING}),
    Route("/login/oidc/callback", {"GET": NOTHING}),
    Route("/logout", {"POST": NOTHING}),
    # The API.
    Route("/openapi.json", {"GET": READ}),
    Route("/api/v1/status", {"GET": READ}),
    Route("/api/v1/session", {"GET": READ}),
    Route("/api/v1/find", {"GET": READ}),
    Route("/api/v1/traces", {"GET": READ}),
    Route("/api/v1/traces/facets", {"GET": READ}),
    Route("/api/v1/traces/heatmap", {"GET": READ}),
    Route("/api/v1/traces/common", {"GET": READ}),
    Route("/api/v1/traces/{trace_id}", {"GET": READ}),
    Route("/api/v1/attributes", {"GET": READ}),
    Route("/api/v1/attributes/{name:path}/values", {"GET": READ}),
    Route("/api/v1/logs", {"GET": READ}),
    Route("/api/v1/logs/histogram", {"GET": READ}),
    Route("/api/v1/logs/templates", {"GET": READ}),
    Route("/api/v1/logs/tail", {"GET": READ}),
    Route("/api/v1/service-map", {"GET": READ}),
    Route("/api/v1/services", {"GET": READ}),
    Route("/api/v1/services/{service:path}", {"GET": READ}),
    Route("/api/v1/red", {"GET": READ}),
    *(
        Route(f"/api/v1/{path}", {"GET": READ})
        for path in ("freshness", "anomalies", "rankings", "incidents", "alerts", "notifications", "events", "system")
    ),
    Route("/api/v1/incidents/{incident}", {"GET": READ}),
    Route("/api/v1/alerts/{fingerprint}", {"GET": READ}),
    # What people say of findings changes which anomalies are reported next.
    Route("/api/v1/marks", {"GET": READ}),
    Route("/api/v1/anomalies/{id}/mark", {"POST": OPERATE}),
    Route("/api/v1/rankings/{id}/mark", {"POST": OPERATE}),
    Route("/api/v1/map", {"GET": READ}),
    Route("/api/v1/environments", {"GET": READ}),
    Route("/api/v1/dead-letters", {"GET": READ}),
    Route("/api/v1/dead-letters/replay", {"POST": OPERATE}),
    Route("/api/v1/dead-letters/skip", {"POST": OPERATE}),
    # Rules that came over HTTP alert; whether a playbook may answer is another question.
    Route("/api/v1/rules", {"GET": READ}),
    Route("/api/v1/backtest", {"POST": READ}),  # of what is stored; it changes nothing
    Route("/api/v1/rules/{namespace}", {"GET": READ, "POST": OPERATE, "DELETE": OPERATE}),
    Route("/api/v1/rules/{namespace}/{group:path}", {"GET": READ, "DELETE": OPERATE}),
    # Repairs. The link to approve one is signed, for one incident, for a time: it is the right.
    Route("/api/v1/healing", {"GET": READ}),
    Route("/api/v1/healing/stop", {"POST": OPERATE}),
    Route("/api/v1/healing/resume", {"POST": OPERATE}),
    *(
        Route(f"/api/v1/incidents/{{incident}}/{act}", {"POST": OPERATE})
        for act in ("release", "decision", "acknowledge", "rerun")
    ),
    Route("/api/v1/incidents/{incident}/approval", {"GET": LINK, "POST": LINK}),
    Route("/-/reload", {"POST": OPERATE, "PUT": OPERATE}),
    # Policies: whoever may repair may govern.
    Route("/api/v1/policies", {"GET": READ, "POST": OPERATE}),
    Route("/api/v1/policies/check", {"POST": OPERATE}),
    Route("/api/v1/policies/rollback", {"POST": OPERATE}),
    Route("/api/v1/policies/deliveries", {"POST": OPERATE}),
    Route("/api/v1/policies/audit", {"GET": READ}),
    Route("/api/v1/policies/drafts", {"GET": READ}),
    Route("/api/v1/policies/{number}/diff", {"GET": READ}),
    Route("/api/v1/policies/{number}/approve", {"POST": OPERATE}),  # control.approvals.role may ask for more
    Route("/api/v1/policies/{number}/reject", {"POST": OPERATE}),
    Route("/api/v1/policies/{number}", {"GET": READ}),
    Route("/api/v1/fleet", {"GET": READ}),
    # Prometheus' API; its POST only reads.
    *(
        Route(f"/prometheus/api/v1/{path}", {"GET": READ, "POST": READ})
        for path in ("query", "query_range", "query_exemplars", "series", "labels")
    ),
    *(
        Route(f"/prometheus/api/v1/{path}", {"GET": READ})
        for path in ("label/{name}/values", "rules", "alerts", "metadata", "status/buildinfo")
    ),
    Route("/prometheus/api/v1/read", {"POST": READ}),
    # Jaeger's query API.
    *(
        Route(f"/jaeger/api/{path}", {"GET": READ})
        for path in (
            "services",
            "services/{service:path}/operations",
            "operations",
            "traces",
            "traces/{trace_id}",
            "dependencies",
            "v3/services",
            "v3/operations",
            "v3/traces",
            "v3/traces/{trace_id}",
        )
    ),
    # Tempo's query API.
    *(
        Route(f"/tempo/{path}", {"GET": READ})
        for path in (
            "ready",
            "api/echo",
            "api/status/buildinfo",
            "api/search",
            "api/search/tags",
            "api/v2/search/tags",
            "api/search/tag/{name:path}/values",
            "api/v2/search/tag/{name:path}/values",
            "api/traces/{trace_id}",
            "api/v2/traces/{trace_id}",
        )
    ),
    # Alertmanager's API.
    Route("/api/v2/status", {"GET": READ}),
    Route("/api/v2/receivers", {"GET": READ}),
    Route("/api/v2/alerts", {"GET": READ, "POST": OPERATE}),
    Route("/api/v2/alerts/groups", {"GET": READ}),
    Route("/api/v2/silences", {"GET": READ, "POST": OPERATE}),
    Route("/api/v2/silence/{id}", {"GET": READ, "DELETE": OPERATE}),
    # The console: its pages show, and ask the API.
    *(
        Route(path, {"GET": READ}, page=True)
        for page in (
            *("services", "map", "traces", "logs", "explore", "incidents", "alerts", "rules", "fleet", "system"),
            *("anomalies", "repairs"),
        )
        for path in (f"/{page}", f"/{page}/{{rest:path}}")
    ),
    Route("/", {"GET": READ}, page=True),
    Route("/assets/{name}", {"GET": READ}),
)

POLICY = Policy(ROUTES)
