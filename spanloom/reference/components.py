"""What the declaration of a component tells: for `spanloom components`, and as the page of reference."""

from __future__ import annotations

import json
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr

from alerting.rules.files import Duration
from spanloom.components import SECTIONS, components
from spanloom.reference.table import row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from components.component import AnyComponent
    from telemetry.json_object import JsonObject

HEAD = """# Components

Everything that receives, detects, notifies, acts or stores, with its settings and their defaults. This page is made from
the declarations by `make docs`; `spanloom components list` and `spanloom components show NAME` say the same.
[CONTRIBUTING.md](../../CONTRIBUTING.md) says how to add one.
"""

_SECTION = "section"
_NAMES: dict[object, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", SecretStr: "secret", Path: "path",
    object: "anything", IPv4Network: "network", IPv6Network: "network",
}  # fmt: skip


class Setting(NamedTuple):
    """One setting: its path within the section, its type in words, its default as JSON (None: it has to be set)."""

    path: str
    type: str
    default: str | None
    description: str


def section(component: AnyComponent) -> str:
    """Where it is configured; empty for what cannot be configured."""
    return SECTIONS[component.kind].format(name=component.name) if component.config.model_fields else ""


def describe(component: AnyComponent) -> JsonObject:
    """All of it, as JSON."""
    return {
        "kind": component.kind.value,
        "name": component.name,
        "summary": component.summary,
        "stability": component.stability.value,
        "section": section(component),
        "extras": list(component.extras),
        "secrets": list(component.secrets),
        "example": dict(component.example),
        "settings": [one._asdict() for one in settings(component.config)],
    }


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    """The settings of a section, those of sections within it by their path."""
    for name, info in model.model_fields.items():
        path = prefix + (info.alias or name)
        kind = "duration" if _is_duration(info) else _type(info.annotation)
        inner = next(_sections(info.annotation), None)
        if inner is None or kind != _SECTION or info.default is None:
            yield Setting(path, kind, _default(info), info.description or "")
        if inner is not None:
            yield from settings(inner, path + (".*." if kind.startswith("mapping") else "[]." if kind != _SECTION else "."))


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _is_duration(info: FieldInfo) -> bool:
    return any(validator in info.metadata for validator in get_args(Duration)[1:])


def _type(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in arguments)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in {list, tuple}:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if origin is not None:
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    return _of_class(annotation)


def _of_class(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(json.dumps(member.value) for member in annotation)
    return _SECTION if next(_sections(annotation), None) else _NAMES[annotation]


def _default(info: FieldInfo) -> str | None:
    if info.is_required():
        return None
    value = info.get_default(call_default_factory=True)
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case SecretStr():
            return value.get_secret_value()
        case tuple() | list() | set() | frozenset():
            return [_plain(item) for item in value]
        case Path():
            return str(value)
        case _:
            return value


def page() -> str:
    """The page of reference."""
    parts, kind = [HEAD], None
    for one in components():
        if one.kind is not kind:
            kind = one.kind
            parts.append(f"\n## {kind.value.capitalize()}s\n")
        parts.append("\n".join(_entry(one)))
    return "\n".join(parts)


def _entry(component: AnyComponent) -> Iterator[str]:
    yield f"### {component.name}\n"
    yield f"{component.summary} Stability: {component.stability.value}.\n"
    if component.extras:
        yield f"Needs `pip install 'spanloom[{','.join(component.extras)}]'`.\n"
    if where := section(component):
        yield f"Section: `{where}`{', which has to be written for it to be there' if component.required else ''}.\n"
        if component.example:
            yield f"```yaml\n{yaml.safe_dump(dict(component.example), sort_keys=False)}```\n"
        yield "| setting | type | default | |\n|---|---|---|---|"
        for one in settings(component.config):
            default = "has to be set" if one.default is None else f"`{one.default}`"
            yield row(f"`{one.path}`", one.type, default, one.description)
        yield ""
