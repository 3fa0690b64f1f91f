"""The rules of an objective: its error ratio over several windows, its budget, and alerts by how fast that is spent.

An alert needs a long window, so that it is worth somebody's time, and a twelfth of it, so that it ends soon after the fault:
"Alerting on SLOs" in the Site Reliability Workbook, https://sre.google/workbook/alerting-on-slos/. The share of the budget that
may be spent before an alert is the workbook's: 2 % in an hour, 5 % in 6 hours, 10 % in a day or in three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from components.durations import HOUR, MINUTE, SECOND, format_duration

if TYPE_CHECKING:
    from alerting.rules.slos.openslo import Slo
    from telemetry.json_object import JsonObject


class Burn(NamedTuple):
    """Spending a share of the budget within a window, ns, is worth an alert of a severity."""

    severity: str
    share: float
    window: int


BURNS = (
    Burn("page", 0.02, HOUR),
    Burn("page", 0.05, 6 * HOUR),
    Burn("ticket", 0.10, 24 * HOUR),
    Burn("ticket", 0.10, 72 * HOUR),
)
SHORT = 12
"""The short window is such a part of the long one."""
WHOLE_EVERY = 5 * MINUTE
"""How often the ratio over the whole window is taken: it moves slowly."""

ALERT = "ErrorBudgetBurn"


def groups(slo: Slo) -> list[JsonObject]:
    """Groups as a rule file has them."""
    name = f"slo {slo.name} {_number(slo.target)}"
    burns = [burn for burn in BURNS if burn.window < slo.window]
    windows = sorted({window for burn in burns for window in (burn.window, burn.window // SHORT)})
    ratios = [_record(slo, ratio_name(window), slo.error_ratio(window)) for window in windows]
    severities = dict.fromkeys(burn.severity for burn in burns)
    alerts = [_alert(slo, severity, [burn for burn in burns if burn.severity == severity]) for severity in severities]
    whole = ratio_name(slo.window)
    budget = f"1 - {whole}{_selector(slo)} / {_number(1 - slo.target)}"
    of_window = [
        _record(slo, whole, slo.error_ratio(slo.window)),
        _record(slo, "slo:error_budget_remaining:ratio", budget),
        _record(slo, "slo:objective:ratio", f"vector({_number(slo.target)})"),
        _record(slo, "slo:time_period:days", f"vector({_number(slo.window / (24 * HOUR))})"),
    ]
    return [
        {"name": name, "rules": [*ratios, *alerts]},
        {"name": f"{name} budget", "interval": f"{WHOLE_EVERY // SECOND}s", "rules": of_window},
    ]


def ratio_name(window: int) -> str:
    """The series of the error ratio over a window, ns."""
    return f"slo:sli_error:ratio_rate{format_duration(window)}"


def _labels(slo: Slo) -> dict[str, str]:
    return {"slo": slo.name, "service": slo.service, "objective": _number(slo.target)}


def _selector(slo: Slo) -> str:
    quoted = (f'{name}="{_escaped(value)}"' for name, value in _labels(slo).items())
    return f"{{{','.join(quoted)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _record(slo: Slo, name: str, expression: str) -> JsonObject:
    return {"record": name, "expr": expression, "labels": _labels(slo)}


def _alert(slo: Slo, severity: str, burns: list[Burn]) -> JsonObject:
    selector = _selector(slo)
    spent = []
    for burn in burns:
        limit = f"{_number(burn.share * slo.window / burn.window)} * {_number(1 - slo.target)}"
        both = (f"{ratio_name(window)}{selector} > {limit}" for window in (burn.window, burn.window // SHORT))
        spent.append(f"({' and '.join(both)})")
    title, service = (text.replace("{{", "{{ `{{` }}") for text in (slo.title, slo.service))
    return {
        "alert": ALERT,
        "expr": " or ".join(spent),
        "labels": {**{name: value.replace("{{", "{{ `{{` }}") for name, value in _labels(slo).items()}, "severity": severity},
        "annotations": {
            "summary": f"{service}: {title} spends its error budget too fast: {{{{ $value | humanizePercentage }}}} fail",
            "description": f"{_number(slo.target * 100)}% over {format_duration(slo.window)} are wanted.",
        },
    }


def _number(value: float) -> str:
    """As short as it can be written, without what rounding to binary added."""
    return f"{value:.12g}"
