"""Who may do what, asked of the running product."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

from tests.attack.line import Line, must
from tests.services import free_port

if TYPE_CHECKING:
    from tests.attack.bench import Bench
    from tests.attack.target import Product

RULE = b"name: evil\ninterval: 1s\nrules:\n- {alert: ServiceCulprit, expr: vector(9), labels: {service: cart}}\n"
YAML, JSON = "application/yaml", "application/json"
ALERTS = b'[{"labels":{"alertname":"ServiceCulprit","service":"cart"}}]'
SILENCE = (
    b'{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z",'
    b'"endsAt":"2099-01-01T00:00:00Z","createdBy":"x","comment":"y"}'
)
CHANGES = (
    ("POST", "/api/v1/rules/evil", RULE, YAML),
    ("DELETE", "/api/v1/rules/evil", b"", ""),
    ("DELETE", "/api/v1/rules/evil/evil", b"", ""),
    ("POST", "/api/v1/healing/stop", b'{"who":"me"}', JSON),
    ("POST", "/api/v1/healing/resume", b'{"who":"me"}', JSON),
    ("POST", "/api/v1/dead-letters/replay", b"{}", JSON),
    ("POST", "/api/v1/dead-letters/skip", b"{}", JSON),
    ("POST", "/api/v1/incidents/x/release", b'{"who":"me"}', JSON),
    ("POST", "/api/v1/incidents/x/approval?expires=9999999999999999999&token=x", b"", JSON),
    ("POST", "/api/v2/alerts", ALERTS, JSON),
    ("POST", "/api/v2/silences", SILENCE, JSON),
    ("DELETE", "/api/v2/silence/00000000-0000-0000-0000-000000000000", b"", ""),
)
GUESS = "spanloom_" + "A" * 43


ATTACKER = "127.0.0.9"
"""Where guesses come from: an address that guesses is told to wait."""


def _answers(up: Product, headers: dict[str, str]) -> dict[str, int]:
    found = {}
    for method, path, body, kind in CHANGES:
        given = {**headers, **({"content-type": kind} if kind else {})}
        found[f"{method} {path.partition('?')[0]}"] = up.request(method, path, body, up.console, given, source=ATTACKER).status
    return found


def nobody_without_a_token_changes_anything(bench: Bench) -> str:
    """Every state-changing request, without a credential."""
    found = _answers(bench.up, {})
    wrong = {request: status for request, status in found.items() if status not in {401, 403}}
    must(not wrong, f"answered without a token: {wrong}")
    return f"{len(found)} requests, all {sorted(set(found.values()))}"


def no_wrong_credential_changes_anything(bench: Bench) -> str:
    """The same with guessed tokens, other schemes, a made-up cookie and the headers of proxies."""
    up = bench.up
    tries: list[dict[str, str]] = [
        {"authorization": f"Bearer {GUESS}"},
        {"authorization": "Bearer "},
        {"authorization": "Basic YWRtaW46YWRtaW4="},
        {"authorization": f"Bearer {GUESS[:-1]}é".encode().decode("latin-1")},
        {"cookie": f"spanloom_session_{up.console}=AAAA"},
        {"cookie": f"token={up.token}"},
        {"x-forwarded-user": "admin", "x-forwarded-groups": "admin", "x-remote-user": "root"},
        {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1;proto=https"},
        {"x-http-method-override": "GET"},
    ]
    wrong = {
        f"{request} with {next(iter(headers))}": status
        for headers in tries
        for request, status in _answers(up, headers).items()
        if status not in {401, 403, 429}
    }
    must(not wrong, f"answered: {dict(list(wrong.items())[:5])}")
    return f"{len(tries)} credentials on {len(CHANGES)} requests, all refused"


def no_other_spelling_of_a_path_changes_anything(bench: Bench) -> str:
    """The same paths with doubled slashes, dots, percent-encoding, capitals and whole URLs."""
    up = bench.up
    path = "/api/v1/rules/evil"
    spellings = (
        f"/{path}", f"/.{path}", f"/x/..{path}", path.replace("a", "%61", 1), path.replace("/v1", "/v1/."), path + "/",
        path.upper(), "/api%2fv1%2frules%2fevil", f"http://127.0.0.1:{up.console}{path}", f"http://evil.example{path}",
        path + "%00", path + ";x=1", "/healthz/.." + path, "/login" + path, "/assets/.." + path,
    )  # fmt: skip
    before = up.get("/api/v1/rules", headers=up.authorised).text.count("evil")
    found = {path: up.post(path, RULE, YAML).status for path in spellings}
    after = up.get("/api/v1/rules", headers=up.authorised).text.count("evil")
    must(before == after, f"a rule was set: {found}")
    wrong = {path: status for path, status in found.items() if not 300 <= status < 500}
    must(not wrong, f"answered: {wrong}")
    return f"{len(found)} spellings: {sorted(set(found.values()))}"


def an_admin_can_set_a_rule(bench: Bench) -> str:
    """The same request with the token of the machine: what is refused above is refused for its credential."""
    up = bench.up
    must(up.token, "no token was made at the first start")
    status = up.post("/api/v1/rules/mine", RULE.replace(b"evil", b"mine"), YAML, headers=up.authorised).status
    gone = up.request("DELETE", "/api/v1/rules/mine", b"", up.console, up.authorised).status
    must((status, gone) == (202, 202), f"set {status}, removed {gone}")
    return "set 202, removed 202"


def an_address_that_others_reach_needs_authentication(bench: Bench) -> str:
    """Start on every address, IPv4 and IPv6, with no authentication configured."""
    said = []
    for host in ("0.0.0.0", "[::]", socket.gethostname()):
        own = bench.product(settings={"CONSOLE": f"{host}:{free_port()}"})
        own.start()
        code = own.ended(60)
        own.stop()
        must(code not in {None, 0}, f"{host}: it runs, code {code}")
        must("access" in own.log and "token" in own.log, f"{host}: what to set is not said: {own.log[-300:]}")
        said.append(f"{host}: exit {code}")
    return ", ".join(said)


def no_secret_is_readable_by_others_or_written_to_the_log(bench: Bench) -> str:
    """Modes of all files and folders of a data folder, and the token looked for in the log."""
    up = bench.up
    open_ = [
        f"{path.relative_to(up.data)} {stat.filemode(path.stat().st_mode)}"
        for path in (up.data, *up.data.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    must(not open_, f"{len(open_)} are open to others: {open_[:4]}")
    must(up.token not in up.log, "the token stands in the log, which is no terminal")
    return f"{sum(1 for _ in up.data.rglob('*'))} files and folders"


def guesses_are_slowed_down_and_lock_nobody_out(bench: Bench) -> str:
    """200 guesses of the token at the login form and 100 at the API, then the right one from the same address."""
    up = bench.up
    form = {"content-type": "application/x-www-form-urlencoded"}
    statuses = []
    for i in range(300):
        guess = f"{GUESS[:-3]}{i:03}"
        if i % 3:
            statuses.append(up.request("POST", "/login", f"token={guess}".encode(), up.console, form, source=ATTACKER).status)
        else:
            headers = {"authorization": f"Bearer {guess}"}
            statuses.append(up.request("GET", "/api/v1/status", b"", up.console, headers, source=ATTACKER).status)
    must(429 in statuses, f"never told to wait: {sorted(set(statuses))}")
    must(not {200, 302, 303} & set(statuses), f"{sorted(set(statuses))}")
    right = up.request("GET", "/api/v2/status", b"", up.console, up.authorised, source=ATTACKER).status
    must(right == 200, f"the right token from the same address: {right}")
    return f"429 from try {statuses.index(429) + 1} on, the right token {right}"


LINES = (
    Line("access", nobody_without_a_token_changes_anything, quick=True),
    Line("access", no_wrong_credential_changes_anything, quick=True),
    Line("access", no_other_spelling_of_a_path_changes_anything, quick=True),
    Line("access", an_admin_can_set_a_rule, quick=True),
    Line("access", an_address_that_others_reach_needs_authentication),
    Line("access", no_secret_is_readable_by_others_or_written_to_the_log, quick=True),
    Line("access", guesses_are_slowed_down_and_lock_nobody_out),
)
