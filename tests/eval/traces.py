"""Whole traces: models of scikit-learn beside the detectors that stand, `python -m tests.eval.traces`.

Of each recorded case the traces before the fault are cut at random into three: to train on, to calibrate on, to judge. With
the last are judged those that began after the fault: they count as anomalous if they visit the faulty service, and are left
out if not. That is more than is wrong with them (of a service one operation may be faulty), so recall stays below what it
might be, for all models alike. Scores are made comparable by the share of calibration traces of the same root that score as
much (conformal p-values); a trace is reported at 0.05.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline

from processors.call_graph.visits import visits_of
from processors.detectors.shape_model import TraceShapes
from processors.detectors.whole_trace.root_model import RootModel
from processors.detectors.whole_trace.rows import Places
from processors.detectors.whole_trace.times import fit_times
from tests.eval import nezha
from tests.eval.shared import SHARED, print_table
from tests.eval.trace_vectors import TraceLayout, duration_of, trace_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from processors.call_graph.visits import Visit

LEAST = 30
"""Traces of a root before the fault from which on it is judged; what has fewer is passed over, for all models."""

LEVEL = 0.05
MOST = 400
"""Traces of a root that are trained on."""

Trace = Sequence["Visit"]
Scorer = Callable[[Sequence[Trace]], "NDArray[np.float64]"]


def _scaled(layout: TraceLayout, known: Sequence[Trace]) -> Scorer:
    """Vectors in units of the usual distance from the median, at least a tenth (of a logarithm, or of a call)."""
    vectors = trace_vectors(layout, known)
    middle = np.median(vectors, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(vectors - middle), axis=0), 0.1)
    return lambda traces: np.clip((trace_vectors(layout, traces) - middle) / spread, -50.0, 50.0)


def _estimator(make: Callable[[int], object]) -> Callable[[Sequence[Trace]], Scorer]:
    def train(known: Sequence[Trace]) -> Scorer:
        scale = _scaled(TraceLayout.of(known), known)
        model = make(len(known)).fit(scale(known))  # type: ignore[attr-defined] # scikit-learn has no types
        return lambda traces: -model.score_samples(scale(traces))

    return train


def _distances(known: Sequence[Trace]) -> Scorer:
    """No model: the sum of the squared distances, each bounded. What every other has to beat."""
    scale = _scaled(TraceLayout.of(known), known)
    return lambda traces: np.minimum(scale(traces) ** 2, 100.0).sum(axis=1)


def _greatest(known: Sequence[Trace]) -> Scorer:
    """No model: the greatest of the distances."""
    scale = _scaled(TraceLayout.of(known), known)
    return lambda traces: np.abs(scale(traces)).max(axis=1)


def _shapes(known: Sequence[Trace]) -> Scorer:
    shapes = TraceShapes()
    for visits in known:
        shapes.learn_one(visits)
    return lambda traces: np.array([shapes.score_one(visits).score for visits in traces])


def _standing(known: Sequence[Trace]) -> Scorer:
    """The detectors that stand, asked of single traces: calls that are missing, new or repeated; the duration at the root."""
    shape = _shapes(known)
    durations = np.array([duration_of(visits) for visits in known])
    middle = float(np.median(durations))
    spread = max(1.4826 * float(np.median(np.abs(durations - middle))), 0.1)
    return lambda traces: 10.0 * shape(traces) + np.array([abs(duration_of(visits) - middle) / spread for visits in traces])


def _product(known: Sequence[Trace]) -> Scorer:
    """What the product does: the robust Gaussian of times by its own calibration, and calls by counting."""
    model = RootModel(first=2)
    rows = [model.places.row(number.to_bytes(16, "big"), visits) for number, visits in enumerate(known)]
    model.judge(0, rows)
    work = model.wanted()
    assert work is not None
    model.take(work())
    return lambda traces: np.array(
        [judged.surprise for judged in model.score([model.places.row(b"", visits) for visits in traces])]
    )


def _times(known: Sequence[Trace]) -> Scorer:
    """Of that the times alone, fitted to all that is known."""
    places = Places()
    model = fit_times(places.names, [places.row(b"", visits) for visits in known])
    return lambda traces: model.shares(model.deviations([places.row(b"", visits) for visits in traces])).sum(axis=1)


MODELS: dict[str, Callable[[Sequence[Trace]], Scorer]] = {
    "standing: shape and duration": _standing,
    "shape alone": _shapes,
    "in the product": _product,
    "of that the times alone": _times,
    "squared distances": _distances,
    "greatest distance": _greatest,
    "IsolationForest": _estimator(lambda _: IsolationForest(n_estimators=100, random_state=1)),
    "LocalOutlierFactor": _estimator(lambda count: LocalOutlierFactor(n_neighbors=min(20, count - 1), novelty=True)),
    "GaussianMixture": _estimator(
        lambda count: GaussianMixture(min(3, count // 10), covariance_type="diag", reg_covar=0.1, random_state=1)
    ),
    "EllipticEnvelope": _estimator(lambda _: EllipticEnvelope(support_fraction=0.9, random_state=1)),
    "one-class SVM, Nystroem": _estimator(
        lambda count: make_pipeline(
            Nystroem(n_components=min(100, count), gamma=0.02, random_state=1), SGDOneClassSVM(random_state=1)
        )
    ),
}


class Judged(NamedTuple):
    """Of one case and model: the p-value of each judged trace, whether it is anomalous, and the seconds for judging."""

    chances: list[float]
    anomalous: list[bool]
    seconds: float


def judged(path: Path, service: str, fault: int) -> dict[str, Judged]:
    """Each model on one case. Empty where too little is known from before the fault."""
    spans = defaultdict(list)
    for span in nezha.read(path).spans:
        spans[span.trace_id].append(span)
    roots: dict[tuple[str, str], tuple[list[Trace], list[Trace]]] = defaultdict(lambda: ([], []))
    for own in spans.values():
        visits = visits_of(own)
        after = visits[0].start >= fault
        if not after or any(visit.service == service for visit in visits):
            roots[visits[0].service, visits[0].operation][after].append(visits)
    rng, found = random.Random(1), {name: Judged([], [], 0.0) for name in MODELS}
    for _, (before, after_it) in sorted(roots.items()):
        if len(before) < LEAST:
            continue
        rng.shuffle(before)
        third = min(len(before) // 3, MOST)
        known, calibration, healthy = before[:third], before[third : 2 * third], before[2 * third :][:MOST]
        for name, train in MODELS.items():
            score = train(known)
            usual = np.sort(score(calibration))
            begun = time.process_time()
            scores = score([*healthy, *after_it])
            seconds = time.process_time() - begun
            chances = (len(usual) - np.searchsorted(usual, scores) + 1.0) / (len(usual) + 1.0)
            one = found[name]
            one.chances.extend(chances.tolist())
            one.anomalous.extend([False] * len(healthy) + [True] * len(after_it))
            found[name] = one._replace(seconds=one.seconds + seconds)
    return found


def figures(cases: Sequence[Judged]) -> tuple[float, float, float]:
    """AUC, precision and recall, each the mean over the cases that have both kinds of traces."""
    rows = []
    for case in cases:
        truth, chances = np.array(case.anomalous), np.array(case.chances)
        reported = chances <= LEVEL
        hits = float((reported & truth).sum())
        rows.append((roc_auc_score(truth, -chances), hits / max(float(reported.sum()), 1.0), hits / float(truth.sum())))
    auc, precision, recall = np.mean(rows, axis=0).tolist()
    return auc, precision, recall


def table(found: dict[str, dict[str, Judged]]) -> list[tuple[str, ...]]:
    """A row a model: AUC on each system and on all cases with its interval (bootstrap over cases, 95 %), and the rest."""
    rows: list[tuple[str, ...]] = [("model", "AUC ob", "AUC ts", "AUC, 95 %", "precision", "recall", "s per 100,000")]
    cases = sorted(found)
    rng = random.Random(1)
    draws = [rng.choices(cases, k=len(cases)) for _ in range(500)]
    for name in MODELS:
        own = {case: found[case][name] for case in cases}
        each = {case: figures([own[case]])[0] for case in cases}
        drawn = sorted(float(np.mean([each[case] for case in draw])) for draw in draws)
        auc, precision, recall = figures(list(own.values()))
        systems = [float(np.mean([each[case] for case in cases if case.startswith(system)])) for system in ("ob", "ts")]
        traces = sum(len(case.chances) for case in own.values())
        seconds = sum(case.seconds for case in own.values()) / traces * 100_000
        interval = f"{auc:.3f} ({drawn[12]:.3f} to {drawn[-13]:.3f})"
        rows.append((name, *(f"{one:.3f}" for one in systems), interval, f"{precision:.2f}", f"{recall:.2f}", f"{seconds:.1f}"))
    return rows


def main(only: Sequence[str] = ()) -> int:
    """Measure all cases, or only those named, and print; without the data nothing is measured, and a line says so."""
    data = SHARED / "data" / "nezha"
    if not data.is_dir():
        sys.stderr.write(f"NOTHING MEASURED: {data} missing; there the public cases belong\n")
        return 0
    warnings.filterwarnings("ignore", "The covariance matrix")  # of columns that are always 0
    labels = json.loads((data / "labels.json").read_text())
    found = {}
    for path in sorted(data.glob("*.jsonl.gz")):
        case = path.name.removesuffix(".jsonl.gz")
        if only and case not in only:
            continue
        of_case = judged(path, labels[case]["service"], labels[case]["inject_unix"] * 10**9)
        if all({True, False} <= set(one.anomalous) for one in of_case.values()):
            found[case] = of_case
    print_table(f"Whole traces: {len(found)} cases", table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
