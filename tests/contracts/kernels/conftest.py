"""Both sets of kernels. Where `make setup` could not build the native core, what needs it skips and says so."""

from __future__ import annotations

import pytest

from processors.kernels.choose import choose
from processors.kernels.extension import Extension, load
from processors.kernels.native import NativeKernels
from processors.kernels.protocol import Kernels  # noqa: TC001 - pytest reads it


@pytest.fixture(scope="session")
def extension() -> Extension:
    found = load()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def native(extension: Extension) -> NativeKernels:
    return NativeKernels(extension)


@pytest.fixture(params=["python", "native"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each in turn: what the contract says holds of both."""
    if request.param == "python":
        return choose("off")
    found: Kernels = request.getfixturevalue("native")
    return found
