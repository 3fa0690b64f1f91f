"""The pages in a real browser: each shows what is stored, and leads where it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By

from tests.dashboards import shop
from tests.dashboards.console.browser import click, console_over, logged, needs_chromium, see, table, text, until

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = needs_chromium


def test_the_overview_says_how_much_what_is_wrong_and_what_happened(browser: Chrome, console: str) -> None:
    browser.get(console)
    see(browser, "Requests/s", "Alerts firing", "collector.requests", "12,345")
    reported = [(kind, what) for _, kind, what in table(browser, "Timeline")]
    assert reported == [
        ("resolved", "SlowService is resolved for cart: cart answers slowly"),
        ("repair", "restart-the-culprit on payment: closed, latency is back to what is usual"),
        ("repair", "restart-the-culprit on payment: repairing"),
        ("alert", "SlowService fires for payment: payment answers slowly"),
        ("alert", "SlowService fires for cart: cart answers slowly"),
        ("culprits", "payment 0.91, checkout 0.20"),
        ("anomaly", "payment: latency 400 ms, 20 times what is usual (score 0.97)"),
    ]
    tiles = [tuple(tile.text.splitlines()) for tile in browser.find_elements(By.CSS_SELECTOR, ".tile")]
    assert ("Services", "4") in tiles
    assert ("Failed calls", "1.36%") in tiles
    assert ("Alerts firing", "1") in tiles


def test_the_service_map_draws_the_calls_and_lists_them(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/map")
    see(browser, "6 nodes and 5 kinds of calls")
    until(browser, lambda: bool(browser.find_elements(By.CSS_SELECTOR, ".map canvas")))
    rows = {(row[0], row[1]): row[2:] for row in table(browser, "Calls between services")}
    assert rows["checkout", "payment"][2:4] == ["59", "4 (6.78%)"]
    assert rows["checkout", "sqlite:orders"][0] == "sqlite"
    assert ("user", "frontend") in rows
    assert table(browser, "Latency contributors")[0][:3] == ["checkout", "payment", "Payment/Charge"]


def test_a_search_finds_traces_and_a_click_opens_the_waterfall_with_its_logs(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/traces?errors=yes&service=payment")
    see(browser, "4 in the last 15 minutes")
    failing = shop.trace(45)
    link = browser.find_element(By.CSS_SELECTOR, f'a.mono[href*="{failing.id.hex()}"]')
    link.click()
    see(browser, "frontend /buy", failing.id.hex(), "critical path")
    rows = table(browser, "Waterfall of spans")
    assert [row[0].split()[0] for row in rows] == [
        *("frontend", "frontend", "checkout", "checkout", "payment", "checkout", "checkout", "shipping")
    ]
    assert "error" in rows[4][0]
    assert rows[4][1] == "400 ms"
    # What telemetry says is text, never markup.
    assert table(browser, "Logs of the trace") == [["40 ms", "payment", "ERROR", "card of order 45 declined <b>now</b>"]]
    assert len(table(browser, "Hops of the trace")) == 5
    assert browser.find_elements(By.CSS_SELECTOR, ".waterfall .critical")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".waterfall .log.bad")) == 1
    click(browser, By.XPATH, "//a[b='payment']")
    see(browser, "Error card declined", 'exception {"exception.type":"Declined"}')


def test_a_link_of_a_span_leads_to_the_trace_that_it_names(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/traces/{shop.trace(shop.LINKED).id.hex()}")
    click(browser, By.XPATH, "(//a[b='frontend'])[1]")
    linked = shop.trace(shop.LINKED - 1).id.hex()
    click(browser, By.PARTIAL_LINK_TEXT, linked)
    until(browser, lambda: f"/traces/{linked}" in browser.current_url)


def test_a_trace_over_clocks_that_differ_is_shown_as_recorded_and_by_the_roots_clock_when_asked(
    browser: Chrome, console: str
) -> None:
    browser.get(f"{console}/traces/{shop.trace(shop.SKEWED).id.hex()}")
    see(browser, "As recorded", "By the root's clock")
    assert "+150 ms" not in text(browser)
    click(browser, By.XPATH, "//a[b='payment']")
    see(browser, "+150 ms shift, ± 6 ms")
    until(browser, lambda: [row[0].split()[-1] for row in table(browser, "Waterfall of spans")][4] == "Payment/Charge")
    click(browser, By.XPATH, '//button[contains(., "By the root\'s clock")]')
    until(browser, lambda: table(browser, "Waterfall of spans")[4][0].endswith("+150 ms"))


def test_a_search_typed_in_goes_into_the_address(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/traces")
    see(browser, "59 in the last 15 minutes", "1-25 of 59")
    assert len(table(browser, "Traces")) == 25
    click(browser, By.XPATH, "//button[contains(., 'Slowest')]")
    see(browser, "59 in the last 15 minutes")
    until(browser, lambda: "by=slowest" in browser.current_url)
    # 20 are slow, and one seems so by a clock that is behind.
    browser.find_element(By.CSS_SELECTOR, 'input[name="min_ms"]').send_keys("200")
    see(browser, "21 in the last 15 minutes")
    until(browser, lambda: "min_ms=200" in browser.current_url)
    browser.refresh()
    see(browser, "21 in the last 15 minutes")
    browser.find_element(By.CSS_SELECTOR, 'input[name="service"]').send_keys("nobody")
    see(browser, "No such traces in this time.")


def test_the_time_range_bounds_what_is_shown_and_goes_along(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/traces?range=5m")
    see(browser, "30 in the last 5 minutes")
    click(browser, By.LINK_TEXT, "Anomalies")
    until(browser, lambda: browser.current_url.endswith("/anomalies?range=5m"))
    click(browser, By.CSS_SELECTOR, '[aria-label="Time range"]')
    until(browser, lambda: bool(browser.find_elements(By.XPATH, "//*[@role='option'][contains(., 'All time')]")))
    click(browser, By.XPATH, "//*[@role='option'][contains(., 'All time')]")
    until(browser, lambda: browser.current_url.endswith("/anomalies?range=all"))


def test_an_environment_is_chosen_where_there_are_several_and_goes_along(chrome: Chrome, tmp_path: Path) -> None:
    with console_over("environments", tmp_path) as url:
        chrome.get(f"{url}/map")
        see(chrome, "12 nodes and 10 kinds of calls", "All environments")
        rows = [(row[0], row[1], row[-1]) for row in table(chrome, "Calls between services")]
        assert ("checkout", "payment", "default") in rows
        assert ("checkout", "payment", "staging") in rows
        click(chrome, By.CSS_SELECTOR, '[aria-label="Environment"]')
        until(chrome, lambda: bool(chrome.find_elements(By.XPATH, "//*[@role='option'][contains(., 'staging')]")))
        click(chrome, By.XPATH, "//*[@role='option'][contains(., 'staging')]")
        see(chrome, "6 nodes and 5 kinds of calls")
        until(chrome, lambda: chrome.current_url.endswith("/map?range=15m&environment=staging"))
        assert {row[-1] for row in table(chrome, "Calls between services")} == {"staging"}
        click(chrome, By.LINK_TEXT, "Traces")
        see(chrome, f"{shop.STAGED} in the last 15 minutes")
        assert {row[-1] for row in table(chrome, "Traces")} == {"staging"}
        click(chrome, By.LINK_TEXT, "Anomalies")
        see(chrome, "Nothing deviated in this time.")
        chrome.get(f"{url}/anomalies?environment=default")
        see(chrome, "latency 400 ms, 20 times what is usual")
        chrome.get("about:blank")


def test_with_one_environment_there_is_nothing_to_choose(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/map")
    see(browser, "6 nodes and 5 kinds of calls")
    assert "All environments" not in text(browser)


def test_anomalies_stand_below_their_likely_causes(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/anomalies")
    see(browser, "latency 400 ms, 20 times what is usual")
    assert len(table(browser, "Anomalies")) == 3
    first, second = table(browser, "Culprits")
    assert first[:4] == ["1", "payment", "0.910", "its own time grew 20-fold; new pattern: card declined"]
    assert second[:4] == ["2", "checkout", "0.200", "—"]


def test_alerts_show_as_what_they_came_to_with_their_notifications(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/alerts")
    see(browser, "payment answers slowly")
    assert [row[:4] for row in table(browser, "Alerts")] == [
        ["firing", "SlowService", "payment", "payment answers slowly"],
        ["resolved", "SlowService", "cart", "cart answers slowly"],
    ]
    reported = [row[1:] for row in table(browser, "Notifications")]
    assert reported == [
        ["delivered", "SlowService payment", "on-call/webhook[0]", "firing", "1 / 0", "2", "—"],
        ["suppressed", "SlowService cart", "—", "—", "—", "—", "inhibition: cart → checkout → payment"],
    ]


def test_an_alert_leads_to_what_it_says_and_how_it_changed(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/alerts")
    see(browser, "payment answers slowly")
    click(browser, By.LINK_TEXT, "SlowService")
    see(browser, "SlowService is firing", "shop: p95 > 0.2", "page")
    assert [row[1] for row in table(browser, "Changes of the alert")] == ["firing", "pending"]
    browser.get(f"{console}/alerts/0000000000000000")
    see(browser, "No alert 0000000000000000 is stored: it may be past retention")


def test_a_repair_shows_its_steps_and_audit_trail(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/repairs")
    see(browser, "latency is back to what is usual", "Audit trail")
    assert [row[:3] for row in table(browser, "Incidents")] == [["closed", "restart-the-culprit", "payment payment-1"]]
    assert [[row[1], row[4]] for row in table(browser, "Steps of the incident")] == [["take-out", "done"], ["restart", "done"]]
    trail = table(browser, "Audit trail of the incident")
    assert [row[2] for row in trail] == ["matched", "step-started", "verified"]
    assert trail[2][3].splitlines() == [
        "expression: p95 < 0.1", "and errors < 1", 'samples: [{"labels":{},"value":0.05}]', "by.who: ann",
    ]  # fmt: skip


def test_pages_over_nothing_say_what_to_do(chrome: Chrome, tmp_path: Path) -> None:
    logged(chrome, "browser")
    with console_over("nothing", tmp_path) as url:
        for path, said in {
            "/": "No calls in this time. Send traces to the OTLP ports",
            "/map": "No calls in this time. Widen the time range",
            "/traces": "No such traces in this time.",
            "/anomalies": "Nothing deviated in this time.",
            "/alerts": "No alert fires",
            "/repairs": "No playbook ran in this time.",
        }.items():
            chrome.get(url + path)
            see(chrome, said)
        chrome.get("about:blank")
    assert [entry["message"] for entry in logged(chrome, "browser")] == []


def test_an_unknown_trace_is_said_to_be_unknown(browser: Chrome, console: str) -> None:
    browser.get(f"{console}/traces/{'0' * 32}")
    see(browser, "not found: it may still be in progress, or past retention")


def test_dark_stays_dark_on_the_next_page(browser: Chrome, console: str) -> None:
    browser.get(console)
    see(browser, "Overview")
    click(browser, By.CSS_SELECTOR, '[aria-label="Light or dark"]')
    dark = "return document.body.classList.contains('body--dark')"
    before: bool = browser.execute_script(dark)
    browser.get(f"{console}/alerts")
    see(browser, "Notifications")
    until(browser, lambda: browser.execute_script(dark) == before)


@pytest.mark.parametrize("path", ["/", "/map", "/traces", "/anomalies", "/alerts", "/repairs"])
def test_a_page_has_an_outline_a_language_and_names_for_what_it_holds(browser: Chrome, console: str, path: str) -> None:
    browser.get(f"{console}{path}")
    until(browser, lambda: len(browser.find_elements(By.TAG_NAME, "h1")) == 1)
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en-US"
    assert browser.title.endswith("· Spanloom")
    assert len(browser.find_elements(By.CSS_SELECTOR, "nav a[aria-current=page]")) == 1
    unnamed = [
        element.tag_name
        for element in browser.find_elements(By.CSS_SELECTOR, "button, input, .q-table__container")
        if element.is_displayed() and not element.accessible_name
    ]
    assert unnamed == []


def test_the_login_link_leads_to_the_console_and_the_token_leaves_the_address(
    browser: Chrome, console: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (token,) = {path.read_text().strip() for path in tmp_path_factory.getbasetemp().glob("console*/token")}
    browser.get(f"{console}/login?token={token}")
    until(browser, lambda: browser.current_url == f"{console}/")
    see(browser, "Overview")
    (cookie,) = [cookie for cookie in browser.get_cookies() if cookie["name"].startswith("spanloom_session_")]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert token not in browser.page_source
    see(browser, "local", "Log out")
    browser.find_element(By.XPATH, "//button[contains(., 'Log out')]").click()
    until(browser, lambda: browser.current_url == f"{console}/login")
    assert not [cookie for cookie in browser.get_cookies() if cookie["name"].startswith("spanloom_session_")]
