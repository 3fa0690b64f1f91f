"""Which kernels a process runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator

from processors.kernels.extension import load
from processors.kernels.native import NativeKernels
from processors.kernels.reference import PythonKernels
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from processors.kernels.protocol import Kernels


def _word(value: object) -> object:
    """YAML reads the word off as false."""
    return "off" if value is False else value


NativeMode = Annotated[Literal["auto", "off", "required"], BeforeValidator(_word)]
"""Whether the native core is used where it is installed, not at all, or has to be there."""


def choose(mode: NativeMode) -> Kernels:
    """The kernels by what was configured and is installed.

    Raises:
        ConfigError: the native core has to be there, and is not.
    """
    if mode == "off":
        return PythonKernels("native: off")
    extension = load()
    if not isinstance(extension, str):
        return NativeKernels(extension)
    if mode == "required":
        raise ConfigError(f"native: required, but {extension}")
    return PythonKernels(extension)
