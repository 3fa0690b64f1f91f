"""What every page has: header, navigation, time range, refresh, and a word when the store does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from nicegui import ui

from components.access.identity import identity_of
from dashboards.console.nonce import nonce
from dashboards.read_models.reader import within
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dashboards.read_models.reader import Reader
    from stores.store import Equals
    from telemetry.documents import Body

REFRESH_SECONDS = 5.0

WAIT_PER_WORK = 9
"""A page that took a second to fill waits nine before the next time: looking must not slow what is looked at."""

RANGES = {
    "5m": (300, "5 minutes"),
    "15m": (900, "15 minutes"),
    "1h": (3_600, "hour"),
    "6h": (21_600, "6 hours"),
    "24h": (86_400, "24 hours"),
    "7d": (604_800, "7 days"),
    "all": (0, ""),
}
"""Time ranges by their name in an address: seconds (0 is all there is) and words."""

DEFAULT_RANGE = "15m"

ALL_ENVIRONMENTS = "All environments"

NAVIGATION = (
    ("/", "Overview"),
    ("/map", "Service map"),
    ("/traces", "Traces"),
    ("/anomalies", "Anomalies"),
    ("/alerts", "Alerts"),
    ("/repairs", "Repairs"),
)

_STYLE = Path(__file__).with_name("console.css").read_text()

_DARK = """<script nonce="NONCE">
addEventListener("DOMContentLoaded", () => {
  const dark = localStorage.getItem("dark");
  if (dark !== null) Quasar.Dark.set(dark === "true");
});
</script>"""


@dataclass(frozen=True, slots=True)
class Console:
    """What the pages are made from."""

    reader: Reader
    status: Callable[[], Body]
    now: Callable[[], int]


class View:
    """One open page in one browser.

    Args:
        console: what it reads.
        title: its heading.
        path: its address.
        span: the time range as the address names it; an unknown one is the default.
        environment: what is shown is of this one, as the address names it; empty: of all.
        section: the entry of the navigation that it belongs to, where that is not its own.
    """

    def __init__(self, console: Console, title: str, path: str, span: str, environment: str = "", *, section: str = "") -> None:
        self.console = console
        self.path = path
        self.span = span if span in RANGES else DEFAULT_RANGE
        self.environment = environment
        self.asked: dict[str, str] = {}  # what else the address holds, such as a search
        self._load: Callable[[], Awaitable[None]] | None = None
        self._links: list[tuple[str, ui.link]] = []
        ui.colors(primary="#2f5bd0")
        ui.add_head_html(f"<style>{_STYLE}</style>")  # ui.add_css would do it by a script
        ui.add_head_html(_DARK.replace("NONCE", nonce()))
        self._header(section or path)
        with ui.element("main").classes("page"):
            with ui.element("div").classes("trouble").props("role=alert") as self._trouble:
                self._reason = ui.label()
            self._trouble.visible = False
            heading(title, 1)
            self.body = ui.element("div").classes("body")
        ui.skip_link(target=self.body)

    @property
    def since(self) -> int | None:
        """Where the time range begins; None for all there is."""
        seconds = RANGES[self.span][0]
        return self.console.now() - seconds * 1_000_000_000 if seconds else None

    @property
    def words(self) -> str:
        """The time range in a sentence: `in the last hour`."""
        return f"in the last {RANGES[self.span][1]}" if self.span != "all" else "in the store"

    def link(self, path: str, **parameters: str) -> str:
        """An address that keeps the time range and the environment."""
        asked = {name: value for name, value in ({"environment": self.environment} | parameters).items() if value}
        return f"{path}?{urlencode({'range': self.span} | asked)}"

    @property
    def within(self) -> tuple[Equals, ...]:
        """The condition of a query for what is shown."""
        return within(self.environment)

    def refresh(self, load: Callable[[], Awaitable[None]]) -> None:
        """Fill the page with `load` now, every few seconds, and whenever something else is asked for."""
        self._load = load
        ui.timer(0, self._offer_environments, once=True)
        timer = ui.timer(REFRESH_SECONDS, lambda: self._paced(timer))

    async def reload(self) -> None:
        """Fill the page again. When the store does not answer, what was there stays, with a word about it."""
        if self._load is None:
            return
        try:
            await self._load()
        except StoreError as error:
            self._reason.text = f"The store does not answer; what you see may be old. {error}"
            self._trouble.visible = True
        else:
            self._trouble.visible = False

    async def _paced(self, timer: ui.timer) -> None:
        began = time.monotonic()
        await self.reload()
        timer.interval = max(REFRESH_SECONDS, (1 + WAIT_PER_WORK) * (time.monotonic() - began))

    async def ask(self) -> None:
        """Something else is asked for: put it into the address and fill the page again."""
        ui.navigate.history.replace(self.link(self.path, **self.asked))
        for path, link in self._links:
            link.props["href"] = self.link(path)
        await self.reload()

    def _header(self, section: str) -> None:
        with ui.element("header").classes("top"):
            ui.link("Spanloom", self.link("/")).classes("brand")
            with ui.element("nav").props('aria-label="Pages"'):
                for path, name in NAVIGATION:
                    link = ui.link(name, self.link(path))
                    if path == section:
                        link.props("aria-current=page")
                    self._links.append((path, link))
            ui.element("div").classes("grow")
            self._environments = (
                ui.select({self.environment: self.environment or ALL_ENVIRONMENTS}, value=self.environment)
                .props('dense outlined options-dense aria-label="Environment"')
                .classes("range")
                .on_value_change(self._choose_environment)
            )
            self._environments.visible = bool(self.environment)
            names = {name: f"Last {words}" if words else "All time" for name, (_, words) in RANGES.items()}
            ui.select(names, value=self.span, on_change=self._choose).props(
                'dense outlined options-dense aria-label="Time range"'
            ).classes("range")
            ui.button(icon="contrast", color=None).props('flat round dense aria-label="Light or dark"').on(
                "click", js_handler="() => { Quasar.Dark.toggle(); localStorage.setItem('dark', Quasar.Dark.isActive) }"
            )
            self._who()

    def _who(self) -> None:
        identity = identity_of(ui.context.client.request)
        if not identity.authenticated:
            ui.link("Log in", "/login").classes("who")
            return
        with ui.element("form").props("method=post action=/logout").classes("who"):
            ui.label(identity.name).tooltip(f"{identity.role}")
            if identity.source != "proxy":  # which would log them in again
                ui.button("Log out", color=None).props("flat dense no-caps type=submit")

    async def _choose(self, event: object) -> None:
        self.span = str(getattr(event, "value", DEFAULT_RANGE))
        await self._offer_environments()
        await self.ask()

    async def _choose_environment(self, event: object) -> None:
        chosen = str(getattr(event, "value", "") or "")
        if chosen != self.environment:
            self.environment = chosen
            await self.ask()

    async def _offer_environments(self) -> None:
        """Offer those that there is something of in this time; with one alone there is nothing to choose."""
        try:
            known = await self.console.reader.environments(self.since)
        except StoreError:
            return  # the page says so
        offered = {"": ALL_ENVIRONMENTS} | {name: name for name in sorted({*known, self.environment} - {""})}
        self._environments.set_options(offered, value=self.environment)
        self._environments.visible = len(known) > 1 or bool(self.environment)


def heading(text: str, level: int) -> None:
    """A heading, so that the page has an outline."""
    with ui.element(f"h{level}"):
        ui.label(text).style("display: inline")
