"""Which kernels run, and what becomes of an input that the native ones do not do."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Never

import pytest

from processors.kernels import reference
from processors.kernels.choose import choose
from processors.kernels.extension import INTERFACE, load
from processors.kernels.native import NativeKernels
from processors.kernels.protocol import HopPlace, KnownGroups
from spanloom.config import load_config
from telemetry import otlp
from telemetry.documents.signals import span_document
from telemetry.errors import ConfigError
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from processors.kernels.extension import Extension

REQUEST = otlp.encode_spans(next(iter(traces(1))))


class Panicking:
    """A core whose kernels all fail."""

    __version__, INTERFACE = "0", INTERFACE
    KernelPanic: type[Exception] = ZeroDivisionError

    def split_spans(self, request: bytes, partitions: int, arrived: int) -> Never:
        raise ZeroDivisionError(request, partitions, arrived)

    def span_documents(self, spans: Sequence[bytes], around: object) -> Never:
        raise ZeroDivisionError(spans, around)

    def SpanDecoder(self, *_: object) -> Panicking:  # noqa: N802 - it is a class
        return self

    def AttributeDecoder(self) -> Panicking:  # noqa: N802 - it is a class
        return self

    def of_span(self, encoded: bytes) -> Never:
        raise ZeroDivisionError(encoded)

    def decode(self, spans: Sequence[bytes], around: object) -> Never:
        raise ZeroDivisionError(spans, around)

    def CallGraphs(self, *_: object) -> Panicking:  # noqa: N802 - it is a class
        return self

    def ResourceNames(self, *_: object) -> object:  # noqa: N802 - it is a class
        return object()

    def draw(self, *arguments: object) -> Never:
        raise ZeroDivisionError(arguments)

    def objects(self, *arguments: object) -> Never:
        raise ZeroDivisionError(arguments)

    def ServiceGraphSums(self, *arguments: object) -> Never:  # noqa: N802 - it is a class
        raise ZeroDivisionError(arguments)

    def panic(self, message: str) -> Never:
        raise ZeroDivisionError(message)


def test_the_native_core_is_used_where_it_is_installed(extension: Extension) -> None:
    kernels = choose("auto")
    assert (kernels.name, kernels.why) == ("native", f"native core {extension.__version__}")
    assert choose("required").name == "native"


def test_it_can_be_switched_off_by_a_variable_and_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text("native: off\n", "utf-8")
    monkeypatch.setenv("SPANLOOM_CONFIG", str(file))
    assert load_config().native == "off"
    monkeypatch.delenv("SPANLOOM_CONFIG")
    monkeypatch.setenv("SPANLOOM_NATIVE", "off")
    kernels = choose(load_config().native)
    assert (kernels.name, kernels.why) == ("python", "native: off")


@pytest.mark.parametrize(
    ("module", "reason"),
    [(None, "the native core is not installed"), (SimpleNamespace(INTERFACE=0), "the native core is of another release")],
)
def test_without_it_everything_runs_and_it_is_said_why(module: object, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spanloom_native", module)
    kernels = choose("auto")
    assert kernels.name == "python"
    assert kernels.why.startswith(reason)
    assert kernels.split_spans(REQUEST, 4, 1) == reference.split_spans(REQUEST, 4, 1)
    assert kernels.counts == {("split_spans", "python"): 1}
    with pytest.raises(ConfigError, match=f"native: required, but {reason}"):
        choose("required")


def test_a_panic_is_an_exception_that_ends_nothing(extension: Extension) -> None:
    with pytest.raises(extension.KernelPanic, match="a test"):
        extension.panic("a test")
    assert load() is extension


def test_what_the_core_panics_at_is_done_in_python_and_counted() -> None:
    kernels = NativeKernels(Panicking())
    assert kernels.split_spans(REQUEST, 4, 1) == reference.split_spans(REQUEST, 4, 1)
    assert kernels.counts == {("split_spans", "panicked"): 1}


def test_what_is_unusual_is_done_in_python_and_counted(extension: Extension) -> None:
    kernels = NativeKernels(extension)
    unknown_field = REQUEST + b"\x78\x01"
    assert kernels.split_spans(unknown_field, 4, 1) == reference.split_spans(unknown_field, 4, 1)
    assert kernels.counts == {("split_spans", "handed_back"): 1}


def test_spans_that_the_core_panics_at_are_decoded_in_python_and_counted() -> None:
    kernels = NativeKernels(Panicking())
    packed = otlp.SpanPacker().pack(REQUEST)
    assert kernels.unpack(packed, KnownGroups()) == reference.unpack(packed, KnownGroups())
    assert kernels.counts == {("unpack", "panicked"): len(packed)}


def test_documents_that_the_core_panics_at_are_written_in_python_and_counted() -> None:
    kernels = NativeKernels(Panicking())
    packed = otlp.SpanPacker().pack(REQUEST)
    spans = list(reference.unpack(packed, KnownGroups())[0].values())
    assert kernels.span_documents(spans, packed) == list(map(span_document, spans))
    assert kernels.counts == {("span_documents", "panicked"): len(packed)}


def test_traces_that_the_core_panics_at_are_drawn_in_python_and_counted() -> None:
    kernels = NativeKernels(Panicking())
    packed = otlp.SpanPacker().pack(REQUEST)
    spans = list(reference.unpack(packed, KnownGroups())[0].values())
    place = HopPlace(12, 3, 10_000_000_000)
    assert kernels.draw_trace(spans, packed, place) == reference.draw_trace(spans, place)
    assert kernels.counts == {("draw_trace", "panicked"): 1}
