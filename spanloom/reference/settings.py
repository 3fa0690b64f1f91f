"""Every setting, as a page."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from spanloom.config import Config
from spanloom.reference.components import Setting, settings
from spanloom.reference.table import head, row

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Settings

Every setting of every role. A YAML file names them as they are nested here:

```yaml
topics:
  partitions: 8
store: http://127.0.0.1:9200
```

`spanloom up --config FILE` reads it; the variable of a setting wins over the file. `spanloom config show` prints the effective
configuration, secrets masked. A setting or `SPANLOOM_*` variable that does not exist ends the start, with what was probably
meant; `spanloom config check FILE` reports all of them with their places. `SPANLOOM_LOG_LEVEL` and `SPANLOOM_LOG_FORMAT`
choose what is logged and how: docs/on-a-terminal.md. This page is made from the declarations by `make docs`.
"""

ELSEWHERE = ("alerting.alertmanagers[].",)
"""Written as in Prometheus, whose documentation describes it."""


def page() -> str:
    """The page of reference."""
    parts = [HEAD]
    for name, group in groupby(listed(), key=_section):
        parts.append(
            f"## {name}\n\n{head('setting', 'variable', 'type', 'default', '')}\n" + "\n".join(map(_row, group)) + "\n"
        )
    return "\n".join(parts)


def listed() -> Iterator[Setting]:
    """All settings, those of one section together."""
    found = [one for one in settings(Config) if not one.path.startswith(ELSEWHERE)]
    order = list(dict.fromkeys(map(_section, found)))
    yield from sorted(found, key=lambda one: order.index(_section(one)))


def _section(setting: Setting) -> str:
    return setting.path.split(".")[0].removesuffix("[]") if "." in setting.path else "top level"


def _row(setting: Setting) -> str:
    variable = "" if "[]" in setting.path or "*" in setting.path else f"`SPANLOOM_{setting.path.upper().replace('.', '__')}`"
    default = "has to be set" if setting.default is None else f"`{setting.default}`"
    return row(f"`{setting.path}`", variable, setting.type, default, setting.description)
