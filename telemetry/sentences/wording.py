"""Every sentence that Spanloom stores or answers for people, in English, by its code.

A member is called with its values and gives a `Sentence`. Its name, in lower case, is the code that documents have: names and
those of values stay as they are, or what is stored is shown in English only. The console has the same in other languages
(`dashboards/console/src/i18n/sentences.ts`), and its tests walk this list.
"""

from __future__ import annotations

from enum import Enum, unique

from telemetry.sentences.sentence import Sentence, Value


@unique
class Wording(Enum):
    """A sentence with places for its values."""

    # Anomalies: of a series
    MEASURED = "{subject}: {seen}, baseline {expected}; score {score}"
    MEASURED_TIMES = "{subject}: {seen}, baseline {expected} ({times}); score {score}"
    TIMES = "{number}x"
    SUBJECT_LATENCY = "p95 of {client} → {server} {operation}"
    SUBJECT_CALLS = "calls {client} → {server} {operation}"
    SUBJECT_SELF_TIME = "self time of {service} per call"
    SUBJECT_SERIES = "{series} of {service}"
    SUBJECT_INSTANCE = "{series} of {service} ({instance})"
    CALLS_FAILED = "{failed} of {calls} calls failed; usual is {usual}"
    CALLS_FAILED_MOST = "{failed}; most of them {caller} → {service} {operation}"
    # ... of log lines
    LOG_ERRORS = "{errors} of {total} log lines are errors, usually {usual}: {line}"
    LOG_NEW = "{lines} log lines of statements never seen before: {line}"
    LOG_BURST = "{line} written {times} times in {seconds} s, where {usual} is usual"
    # ... of the calls of traces
    VISITS = "in {seen} of {total} visits: {why}"
    CALL_MISSING = "{place} did not call {callee}, which {visits} of {total} such visits did"
    CALL_NEW = "{place} called {callee}, which none of {total} such visits did"
    CALL_REPEATED = "{place} called {callee} {times} times, where {most} was the most in {visits} visits"
    CALL_REORDERED = "{place} called {callee} before {other}; {visits} visits had it the other way round"
    # ... of whole traces
    TRACES_ODD = "{odd} of {traces} traces of {root} are odd, {usual} usually are; the oddest: {why}"
    TRACE_ODD = "a trace of {root}: {parts}"
    PART_SELF_TIME = "{place} took {seen} in itself, usually {usual}"
    PART_GAP = "{place} was waited for {seen} longer than it took, usually {usual}"
    PART_VISITS = "{place} was called {seen} times, usually {usual}"
    PART_DURATION = "the whole trace took {seen}, usually {usual}"
    PART_MISSING = "{place} was not called, which {visits} of {total} such traces did"
    PART_NEW = "{place} was called, which {visits} of {total} such traces did"
    PART_REPEATED = "{place} was called {times} times, {most} was the most in {total} traces"
    PART_FAILED = "{place} failed, which it did in {visits} of {total} such traces"
    OTHER_OPERATIONS = "operations beyond the bound"

    # Evidence against a culprit
    TIME_ADDED = "{operation}: {before} became {after} {where}; accounts for {share} of the time added to requests"
    BETWEEN = "between {caller} and {service}"
    IN_ITSELF = "in itself"
    UNLIKE_OTHERS = "{what} on {instance}, unlike on its other instances"
    EVENT_SINCE = "{operation}: {event} {name} in {before} of {before_all} traces before, {after} of {after_all} since"
    EVENT_TIMES = "{name} {times} times"
    EVENT_OPERATION = "operation"
    EVENT_CALL = "call"
    EVENT_LOG = "log"
    EVENT_ERROR = "error"
    EVENT_ERROR_LOG = "error log"
    METRIC_UNLIKE = "{series}: {change}, unlike in other instances"
    BECAME = "{before} became {after}"
    PER_SECOND = "{change} a second"

    # Incidents: how they end
    RECOVERY_VERIFIED = "recovery verified"
    STILL_FIRING = "recovery was verified twice, but the alert goes on firing: it is about something else"
    DRY_RUN = "dry run"
    DENIED = "denied by {who}"
    NOT_APPROVED = "nobody approved it in time"
    RESOLVED_UNAPPROVED = "the alert resolved before anybody approved"
    STEP_FAILED = "step '{step}' failed: {detail}"
    STEP_UNKNOWN = "step '{step}' unknown: {detail}"
    STEP_NOT_HELD = "step '{step}': {expression} did not hold in time"
    NOT_VERIFIED = "recovery not verified: {expression} did not hold in time"
    STILL_IN_EFFECT = "{why}; still in effect: {steps}"
    # ... what was measured
    NO_SAMPLE = "no sample: it is false, or there is no telemetry"
    NOT_LONG_ENOUGH = "it did not hold long enough"
    # ... how a step went
    STEP_DONE = "done"
    ACTION_GONE = "action '{action}' is not configured any more"
    TOO_SLOW = "not done within {seconds} s"
    TARGET_SAYS_DONE = "its target says that it was done before the process died"
    CRASHED = "the process died while it ran, it must not run twice, and its target does not say that it was done"
    EXIT_CODE = "{command}: exit code {exit}"
    CANNOT_START = "{command}: cannot be started: {error}"
    REQUEST_FAILED = "{request}: {error}"
    SUPERVISOR_AWAY = "{request}: {error}; is the supervisor running?"
    KUBERNETES_FAILED = "kubernetes, namespace {namespace}: {error}"
    KUBERNETES_UNREADABLE = "kubernetes, namespace {namespace}: the cluster's answer cannot be read"
    DOCKER_FAILED = "{what} at {url}: {error}"
    DOCKER_UNREADABLE = "{what} at {url}: the engine's answer cannot be read"
    NO_CONTAINER = "docker: no container '{name}'"
    # ... why none starts, or not by itself
    OUTBOX_FULL = "the store has not stored the records of earlier repairs"
    CONDITION_FALSE = "the condition does not hold: {expression}"
    NO_ROOM = "{repairs} repairs are open or hold a target, the bound is {bound}"
    STOPPED_BY = "repairs are stopped by {who}"
    TARGET_BUSY = "another repair has this target"
    RESTS = "it rests for {time} more"
    STARTED_OFTEN = "{playbook} was started {times} times lately on this target, the bound is {bound}"
    MANY_STARTED = "{repairs} repairs were started lately, the bound is {bound}"
    BREAKER_OPEN = "{repairs} repairs in a row were not proven; {then}"
    ONE_MORE_TRY = "one more try is under way"
    INSTANCES_UNKNOWN = "the number of its instances is unknown: none has sent a span of late, or too many have"
    MANY_INSTANCES = "it would touch {instances} instances with what is touched already, the budget is {budget}"
    TRAFFIC_UNKNOWN = "its share of traffic is unknown: the live call graph is empty"
    MUCH_TRAFFIC = "it would touch {share} of all calls, the budget is {budget}"
    CALLEE_ALERTS = "{callee} has an alert itself: {path}"
    CALLEE_REPAIRED = "{callee} is being repaired, or was just now: {path}"
    ASKED_BY = "it was asked for by {source}; {setting}"
    FED_ANY_TIME = "telemetry may come at any time from {source}; {setting}"
    FED_LATELY = "telemetry was fed {ago} ago by {source}; {setting}"
    AND_MORE_SOURCES = "{source} and {more} more sources"
    SOURCE_API_RULES = "rules that came over HTTP (namespace {namespace})"
    SOURCE_ANONYMOUS = "{source} (somebody on the network who showed no token or certificate)"
    SOURCE_OPEN_KAFKA = "{source} (a Kafka without authentication)"
    SOURCE_UNKNOWN = "{source} (whose name is lost, or a rule that began to fire before the sources of rules were known)"
    CANNOT_BE_ALLOWED = "that cannot be allowed, it must be answered by a human"
    ALLOWED_BY = "an admin allows it by alerting.safety.automatic_for: [{source}]"
    CHOSEN_BY_TELEMETRY = (
        "whoever sends the telemetry chooses that {what} acts on '{value}'; the playbook's trigger may name it, "
        'as in service="cart" or service=~"cart|pay", or an admin allows it by alerting.safety.targets'
    )

    # Notifications
    QUEUE_FULL = "queue full"
    ASKED_TO_PAUSE = "{reason}; the receiver asked for a pause until {until}"
    SUPPRESSED_BY_INHIBITION = "inhibition: {reason}"
    SUPPRESSED_BY_SILENCE = "silence: {reason}"
    SUPPRESSED_BY_TIME = "time interval: {reason}"
    OUTSIDE_OF = "outside of {intervals}"

    # What the store answers
    STORE_CLOSED = "{store}: the store is closed"
    STORE_FAILED = "{store}: {error}"
    WRITES_WAIT = "{store}: {documents} documents wait to be written already: try again later"
    NO_ANSWER_IN_TIME = "Elasticsearch did not answer in time ({error}): is it overloaded?"
    NOT_REACHED = "Elasticsearch cannot be reached ({error}): is it running, is its address right?"
    NOT_DONE = "Elasticsearch did not do it: {error}"
    SHARDS_SILENT = "Elasticsearch: {shards} shards did not answer: is the cluster healthy?"
    MANY_GROUPS = "the answer has more than {limit} groups: name less time, one environment or one service"
    LARGE_ANSWER = "the answer has more than {bytes} bytes (queries.max_bytes): lower the limit, or name less time"
    SLOW_QUERY = "the query took more than {seconds} s (queries.seconds): name less time, or fields of the layout"
    QUERIES_WAIT = "{queries} queries wait already, the most that queries.waiting allows: try again later"
    QUERY_WAITED = "the query waited {seconds} s (queries.seconds) for others that are under way: try again later"
    NO_ALERT = "no alert {fingerprint} is stored"
    NO_INCIDENT = "no incident '{incident}' is stored"

    @property
    def code(self) -> str:
        """How documents name it."""
        return self.name.lower()

    def __call__(self, **values: Value | float) -> Sentence:
        """The sentence with its values. A number stands as Python writes it; several sentences stand one after the other."""
        own: dict[str, Value] = {
            name: value if isinstance(value, (str, tuple)) else f"{value}" for name, value in values.items()
        }
        words = {name: value if isinstance(value, str) else "; ".join(value) for name, value in own.items()}
        return Sentence(self.value.format_map(words), self.code, own)
