"""`spanloom policy explain`: what a document decides of one request, and which line of it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from spanloom.commands.terminal import printable
from spanloom.failure import WRONG, Failure
from telemetry.errors import InputError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from components.yaml_file import YamlFile
    from governance.explain.authorization import Decision
    from telemetry.json_object import JsonObject


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "caller", default="", help="SPIFFE id or service of the caller; without it, it proves no identity.")
@click.option("--to", "service", required=True, help="Service that is called.")
@click.option("--method", default="GET", show_default=True)
@click.option("--path", default="/", show_default=True)
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the request; may be repeated.")
@click.option("--trust-domain", help="Trust domain of the fleet; default: that of --from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    file: Path,
    caller: str,
    service: str,
    method: str,
    path: str,
    headers: tuple[str, ...],
    trust_domain: str | None,
    as_json: bool,  # noqa: FBT001 - click passes flags so
) -> None:
    """Say whether SERVICE serves a request under the policies in FILE, which rule decides, and why. Exit code 1 if not."""
    from components.spiffe import spiffe_id  # noqa: PLC0415
    from components.yaml_file import YamlFile  # noqa: PLC0415 - RE2 and the models
    from governance.explain.authorization import AskedRequest, decide  # noqa: PLC0415
    from governance.files import read_policies  # noqa: PLC0415

    if caller and not caller.startswith("spiffe://"):
        if not trust_domain:
            raise click.UsageError("--from names a service: name the --trust-domain of the fleet, too")
        caller = spiffe_id(trust_domain, caller)
    domain = trust_domain or caller.removeprefix("spiffe://").partition("/")[0]
    try:
        text = file.read_text("utf-8")
        policies = read_policies(text, str(file))
        written = YamlFile(text, str(file))
        decision = decide(policies, AskedRequest(caller, service, method, path, _headers(headers)), domain)
    except InputError as error:
        raise Failure(str(error), WRONG) from error
    except (SpanloomError, OSError, UnicodeDecodeError) as error:
        raise Failure.of(error) from error
    if as_json:
        click.echo(orjson.dumps(_as_data(decision, written), option=orjson.OPT_INDENT_2))
    else:
        for line in _lines(decision, written):
            click.echo(printable(line))
    raise SystemExit(0 if decision.allowed else 1)


def _where(place: tuple[str | int, ...], written: YamlFile) -> str:
    return f"{written.name}:{written.place(place)}" if place else ""


def _lines(decision: Decision, written: YamlFile) -> Iterator[str]:
    where = _where(decision.place, written)
    rule = f' by "{decision.rule}"' if decision.rule else ""
    yield f"{f'{where}: ' if where else ''}{'allowed' if decision.allowed else 'refused'}{rule}: {decision.why}"
    for each in decision.others:
        yield f'  {_where(each.place, written)}: "{each.rule}" does not allow it: {each.why}'


def _as_data(decision: Decision, written: YamlFile) -> JsonObject:
    return {
        "allowed": decision.allowed,
        "rule": decision.rule,
        "place": _where(decision.place, written),
        "why": decision.why,
        "others": [{"rule": each.rule, "place": _where(each.place, written), "why": each.why} for each in decision.others],
    }


def _headers(pairs: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, colon, value = pair.partition(":")
        if not name or not colon:
            raise InputError(f"{pair!r} is no header such as x-user:ann")
        found[name.strip().lower()] = value.strip()
    return found
