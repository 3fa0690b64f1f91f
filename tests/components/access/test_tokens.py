from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.access.roles import Right, Role
from components.access.tokens import TokenConfig, Tokens, bearer, is_token, new_token, token_hash


def test_a_token_is_found_by_its_hash_and_no_other_is() -> None:
    token, other = new_token(), new_token()
    tokens = Tokens([TokenConfig(name="ci", role=Role.INGEST, hash=token_hash(token))])
    found = tokens.find(token)
    assert found is not None
    assert (found.name, found.role) == ("ci", Role.INGEST)
    assert tokens.find(other) is None


def test_a_hash_is_no_token() -> None:
    token = new_token()
    tokens = Tokens([TokenConfig(name="ci", role=Role.ADMIN, hash=token_hash(token))])
    assert tokens.find(token_hash(token)) is None


@pytest.mark.parametrize(
    "text", ["", "spanloom_", "spanloom_short", "password", "spanloom_" + "é" * 43, "spanloom_" + "a" * 44]
)
def test_what_has_not_the_form_of_a_token_is_none(text: str) -> None:
    assert not is_token(text)
    assert Tokens([]).find(text) is None


def test_a_token_has_256_random_bits_and_a_prefix_that_scanners_know() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(is_token(token) and len(token) == len("spanloom_") + 43 for token in made)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer a b", None),
        ("", None),
    ],
)
def test_the_scheme_of_the_header_is_read_in_any_case(header: str, token: str | None) -> None:
    assert bearer(header) == token


def test_the_configuration_holds_no_plain_token() -> None:
    with pytest.raises(ValidationError, match="hash"):
        TokenConfig.model_validate({"name": "ci", "role": "admin", "hash": new_token()})


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.INGEST, {Right.INGEST}),
        (Role.VIEWER, {Right.READ}),
        (Role.OPERATOR, {Right.READ, Right.OPERATE}),
        (Role.ADMIN, {Right.READ, Right.OPERATE, Right.ADMINISTER, Right.INGEST}),
    ],
)
def test_a_role_has_its_rights_and_no_others(role: Role, rights: set[Right]) -> None:
    assert {right for right in Right if role.has(right)} == rights
