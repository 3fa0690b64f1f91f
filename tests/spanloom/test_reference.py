from __future__ import annotations

from spanloom.reference import PAGE, page


def test_the_page_of_reference_is_what_the_declarations_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"
