"""What an experiment file declares. `kind`, `spec` and their fields are those of Chaos Mesh; `expect` is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from components.durations import parse_duration
from components.yaml_file import YamlFile
from spanloom.experiments.chaos.impairment import Impairment
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


def _duration(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("must be a duration with its unit, for example 400ms or 2m")  # noqa: TRY004  pydantic expects ValueError
    try:
        return parse_duration(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error


Duration = Annotated[int, BeforeValidator(_duration)]
Percent = Annotated[float, Field(ge=0, le=100)]
"""Of 100; Chaos Mesh writes it as a text."""


class _ExperimentModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Selector(_ExperimentModel):
    """Which instance, by the label `service`; the first instance of that service is meant."""

    labelSelectors: dict[Literal["service"], str] = Field(min_length=1)  # noqa: N815  Chaos Mesh's name

    @property
    def service(self) -> str:
        """The service."""
        return self.labelSelectors["service"]


class HttpSpec(_ExperimentModel):
    """`delay` requests, or `abort` those of a share (`percent`, ours).

    Who does it is `through` (ours): the service itself, or the Envoy beside it, by a policy that ends after `duration`.
    """

    selector: Selector
    mode: Literal["one"] = "one"
    target: Literal["Request"] = "Request"
    delay: Duration = 0
    abort: bool = False
    percent: float = Field(default=100, gt=0, le=100)
    through: Literal["service", "envoy"] = "service"
    duration: Duration = 0

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.delay) == self.abort:
            raise ValueError("say either `delay` or `abort: true`")
        if self.through == "envoy":
            return self
        if self.duration:
            raise ValueError("`duration` is of `through: envoy`; a service has its fault until a repair or the end")
        if self.delay and self.percent != 100:
            raise ValueError("`percent` is of `abort`; a `delay` by the service meets every request")
        return self


class PodSpec(_ExperimentModel):
    """`pod-kill` ends the process at once; `pod-failure` stops it from answering for `duration`."""

    selector: Selector
    mode: Literal["one"] = "one"
    action: Literal["pod-kill", "pod-failure"]
    duration: Duration = 0

    @model_validator(mode="after")
    def _needs_duration(self) -> Self:
        if (self.action == "pod-failure") != bool(self.duration):
            raise ValueError("pod-failure needs a `duration`, and pod-kill has none")
        return self


class CpuStressor(_ExperimentModel):
    """So many processes that compute."""

    workers: int = Field(ge=1, le=64)


class MemoryStressor(_ExperimentModel):
    """So many processes that hold `size` bytes each."""

    workers: int = Field(ge=1, le=16)
    size: int = Field(ge=1, le=8 << 30)


class Stressors(_ExperimentModel):
    """Load on the machine that the shop runs on."""

    cpu: CpuStressor | None = None
    memory: MemoryStressor | None = None


class StressSpec(_ExperimentModel):
    """Stress for `duration`. Local processes share one machine, so it meets all of them."""

    stressors: Stressors
    duration: Duration


class Delay(_ExperimentModel):
    """How late packets are: `latency`, more or less by `jitter`, each like the one before by `correlation` percent."""

    latency: Duration
    jitter: Duration = 0
    correlation: Percent = 0


class Loss(_ExperimentModel):
    """`loss` percent of packets, each as the one before by `correlation` percent."""

    loss: Percent
    correlation: Percent = 0


class NetworkSpec(_ExperimentModel):
    """`delay` or `loss` of the packets that the service sends (`direction: to`), gets (`from`) or both, for `duration`.

    The service then runs in a network namespace of its own; its telemetry crosses the same link.
    """

    selector: Selector
    mode: Literal["one"] = "one"
    action: Literal["delay", "loss"]
    delay: Delay | None = None
    loss: Loss | None = None
    direction: Literal["to", "from", "both"] = "to"
    duration: Duration

    @model_validator(mode="after")
    def _as_the_action_says(self) -> Self:
        if (self.action == "delay") != bool(self.delay) or (self.action == "loss") != bool(self.loss):
            raise ValueError(f"action {self.action!r} needs `{self.action}`, and not the other one")
        return self

    @property
    def impairment(self) -> Impairment:
        """What happens to packets of the direction."""
        if self.delay:
            delay = self.delay
            return Impairment(latency=delay.latency, jitter=delay.jitter, latency_correlation=delay.correlation / 100)
        loss = self.loss or Loss(loss=0)
        return Impairment(loss=loss.loss / 100, loss_correlation=loss.correlation / 100)


class Expect(_ExperimentModel):
    """What must be true at the end, by telemetry and by the load's own count. What is absent is not checked.

    `alert_within` is about an alert of the service with the fault, `no_alert` about any.
    """

    alert_within: Duration | None = None
    no_alert: bool = False
    culprit_first: bool = False
    failover: bool = False
    verified_within: Duration | None = None
    downtime_below: Duration | None = None
    lost_below: int | None = Field(default=None, ge=1)


class _Experiment(_ExperimentModel):
    """One fault and what must follow. `settle` is how long the experiment is watched at most."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    expect: Expect
    settle: Duration


class HttpChaos(_Experiment):
    """A fault in how a service answers."""

    kind: Literal["HTTPChaos"]
    spec: HttpSpec

    @property
    def service(self) -> str:
        """The service that has the fault."""
        return self.spec.selector.service

    @property
    def lasts(self) -> int:
        """How long at most, nanoseconds."""
        return self.spec.duration or self.settle


class PodChaos(_Experiment):
    """A fault of a process."""

    kind: Literal["PodChaos"]
    spec: PodSpec

    @property
    def service(self) -> str:
        """The service that has the fault."""
        return self.spec.selector.service


class NetworkChaos(_Experiment):
    """A fault of the network between a service and all others."""

    kind: Literal["NetworkChaos"]
    spec: NetworkSpec

    @property
    def service(self) -> str:
        """The service behind the bad link."""
        return self.spec.selector.service


class StressChaos(_Experiment):
    """A fault of the machine."""

    kind: Literal["StressChaos"]
    spec: StressSpec

    @property
    def service(self) -> str:
        """None: it is the machine."""
        return ""

    @model_validator(mode="after")
    def _no_one_service(self) -> Self:
        expect = self.expect
        if expect.alert_within or expect.culprit_first or expect.failover or expect.verified_within:
            raise ValueError(
                "a StressChaos has no one service that an alert could name, or that could fail over or be repaired"
            )
        return self


Experiment = HttpChaos | PodChaos | NetworkChaos | StressChaos
_KINDS: dict[object, type[HttpChaos | PodChaos | NetworkChaos | StressChaos]] = {
    "HTTPChaos": HttpChaos,
    "PodChaos": PodChaos,
    "NetworkChaos": NetworkChaos,
    "StressChaos": StressChaos,
}


def load_experiment(path: Path) -> Experiment:
    """An experiment from its file.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong; each mistake with its line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    file = YamlFile(text, str(path))
    kind = file.data.get("kind") if isinstance(file.data, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise file.error(["kind"], f"kind: {kind!r} is none of {', '.join(map(str, _KINDS))}")
    return file.read(_KINDS[kind])
