from __future__ import annotations

from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from components.bounded_cache import ENTRY_BYTES, remembered


@given(st.lists(st.text(max_size=400)))
def test_what_is_remembered_takes_no_more_than_its_bytes_and_gives_what_the_function_gives(names: list[str]) -> None:
    calls = []

    @remembered(8000)
    def upper(name: str) -> str:
        calls.append(name)
        return name.upper()

    for name in names:
        assert upper(name) == name.upper()
        assert upper.__dict__["held"]() <= 8000
    assert len(calls) >= len(set(names))


def test_what_is_asked_for_again_is_not_made_again_unless_it_is_long() -> None:
    calls = []

    @remembered(16 * (ENTRY_BYTES + 100))
    def length(name: str, *, twice: bool) -> int:
        calls.append(name)
        return len(name) * (2 if twice else 1)

    for name in ("a" * 100, "b" * 101):
        assert [length(name, twice=True), length(name, twice=True), length(name, twice=False)] == [
            2 * len(name),
            2 * len(name),
            len(name),
        ]
    assert calls == ["a" * 100] * 2 + ["b" * 101] * 3


def test_threads_may_ask_at_the_same_time() -> None:
    @remembered(16 * (ENTRY_BYTES + 4))
    def double(name: str) -> str:
        return name * 2

    wrong: list[str] = []

    def ask(start: int) -> None:
        for number in range(start, start + 3000):
            name = str(number % 50)
            if double(name) != name * 2:
                wrong.append(name)

    threads = [Thread(target=ask, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert double.__dict__["held"]() <= 16 * (ENTRY_BYTES + 4)
