"""The image: pinned to the last byte, without what only developers use."""

from __future__ import annotations

import re

from tests.deploy.files import IMAGE, ROOT, compose


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return {found[1]: found[2] for found in re.finditer(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;]+)", text, re.MULTILINE)}


def test_the_image_has_the_versions_that_the_tests_ran_with_and_none_of_the_tools() -> None:
    image, tested = pins("deploy/requirements.lock"), pins("requirements.lock")
    assert image.items() <= tested.items(), "make lock"
    assert not {"pytest", "ruff", "mypy", "hypothesis", "selenium"} & image.keys()


def test_every_requirement_of_the_image_has_its_hashes() -> None:
    for block in re.split(r"\n(?=\S)", (ROOT / "deploy/requirements.lock").read_text()):
        assert "--hash=sha256:" in block, block


def test_base_images_are_pinned_and_the_process_is_not_root() -> None:
    text = IMAGE.read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11.14-slim-bookworm", "rust:1.95.0-slim-bookworm"}
    (user,) = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert {service["user"] for service in compose()["services"].values() if "build" in service} == {user}


def test_the_image_copies_only_what_exists() -> None:
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text().split()
    for source in re.findall(r"^COPY (?!--from)(\S+) ", IMAGE.read_text(), re.MULTILINE):
        assert (ROOT / source).exists()
        assert source not in ignored
