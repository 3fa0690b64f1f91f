"""The single-page application as a person uses it: elements by selector and by what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from tests.dashboards.console.browser import DESK, resize, see, text, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement


class Page:
    """The application at an address, as a person uses it."""

    def __init__(self, browser: Chrome, url: str, size: tuple[int, int] = DESK) -> None:
        self.browser, self.url = browser, url
        resize(browser, size)

    def open(self, path: str, *seen: str) -> None:
        """Go to a path below the application, and wait until the page says all of these."""
        self.browser.get(f"{self.url}{path}")
        self.see(*seen)

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds."""
        until(self.browser, lambda: bool(holds()))

    def see(self, *parts: str) -> None:
        """Wait until the page says all of these."""
        see(self.browser, *parts)

    def gone(self, *parts: str) -> None:
        """Wait until the page shows none of these."""
        self.until(lambda: not any(part in text(self.browser) for part in parts))

    def texts(self, selector: str) -> list[str]:
        """The text of each element, on one line."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.replace(/\\s+/g, ' ').trim())"
        found: list[str] = self.browser.execute_script(script, selector)
        return found

    def find(self, selector: str) -> WebElement:
        """The first such element, once it is there."""
        self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str, said: str = "") -> None:
        """Click the first such element whose text, or label, contains this."""
        script = """const found = [...document.querySelectorAll(arguments[0])].find(e =>
            (e.innerText || "").includes(arguments[1]) || (e.getAttribute("aria-label") || "").includes(arguments[1]));
            if (found) found.scrollIntoView({block: "center"}); return found ?? null"""
        self.until(lambda: self.browser.execute_script(script, selector, said) is not None)
        element: WebElement = self.browser.execute_script(script, selector, said)
        element.click()

    def type(self, selector: str, keys: str) -> None:
        """Write into a field in place of what is there."""
        field = self.find(selector)
        self.browser.execute_script("arguments[0].focus(); arguments[0].select()", field)
        field.send_keys(keys)

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag over an element, from one share of its width to another."""
        element = self.find(selector)
        width = element.size["width"]
        chain = ActionChains(self.browser)
        chain.move_to_element_with_offset(element, round((start - 0.5) * width), 0).click_and_hold()
        chain.move_to_element_with_offset(element, round((end - 0.5) * width), 0).release().perform()

    def point(self, selector: str, share: float) -> None:
        """Move the pointer onto an element, at a share of its width, from elsewhere on it."""
        element = self.find(selector)
        chain = ActionChains(self.browser).move_to_element(element)
        chain.move_to_element_with_offset(element, round((share - 0.5) * element.size["width"]), 0).perform()

    def press(self, selector: str, share: float, above: int) -> None:
        """Click on an element at a share of its width, so many pixels above its lower edge."""
        element = self.find(selector)
        across, down = round((share - 0.5) * element.size["width"]), element.size["height"] // 2 - above
        chain = ActionChains(self.browser).move_to_element(element)
        chain.move_to_element_with_offset(element, across, down).click().perform()

    def address_has(self, part: str) -> None:
        """Wait until the address has it."""
        self.until(lambda: part in self.browser.current_url)
