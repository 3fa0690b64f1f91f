//! Counters of hops as Python sees them.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::counted::CountedHops;
use crate::edges::{EdgeTable, Key, Settings, TraceId};
use crate::python::guarded;
use crate::service_graph::{Counted, Exemplar, Histogram, ServiceGraph, seconds};

type Texts = (Py<PyString>, Py<PyString>, Py<PyString>, Py<PyString>, Py<PyString>);

fn texts(py: Python<'_>, key: &Key<'_>) -> Texts {
    let [one, two, three, four, five] = key.texts.map(|text| PyString::new(py, text).unbind());
    (one, two, three, four, five)
}

fn id_of<'py, const N: usize>(py: Python<'py>, id: &[u8; N]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, id)
}

/// The hops of a trace that are to be counted.
#[pyclass(frozen)]
pub struct CountedTrace {
    counted: CountedHops,
}

impl CountedTrace {
    /// Of these hops.
    pub fn of(counted: CountedHops) -> Self {
        CountedTrace { counted }
    }
}

#[pymethods]
impl CountedTrace {
    /// The starts of the windows of so many nanoseconds, each once, in the order of the hops.
    fn windows(&self, width: i64) -> Vec<i64> {
        let mut found = Vec::new();
        for start in self.counted.hops.iter().map(|hop| hop.start - hop.start % width.max(1)) {
            if !found.contains(&start) {
                found.push(start);
            }
        }
        found
    }

    /// Counters of the edges of a window; `steps` are the lower bounds of the buckets of an octave, `exemplars` how many traces an
    /// edge remembers.
    fn edge_sums(&self, steps: Vec<f64>, exemplars: usize) -> EdgeSums {
        EdgeSums { table: EdgeTable::new(Settings { steps, exemplars }) }
    }

    /// What hops say of two clocks: start of the hop, caller's host, callee's, and two bounds.
    fn clocks(&self) -> Vec<(i64, &str, &str, i64, i64)> {
        let said = self.counted.hops.iter().filter_map(|hop| Some((hop.start, hop.clocks.as_ref()?)));
        said.map(|(start, clocks)| {
            let ([here, there], [low, high]) = (&clocks.hosts, clocks.bounds);
            (start, here.as_str(), there.as_str(), low, high)
        })
        .collect()
    }
}

/// An edge: kinds of caller and callee by their numbers, the texts of its key, sums, buckets, traces, and the name of its hops.
type Edge<'py> = ((u8, u8), Texts, (u64, u64, i128, i128, i128), (u64, Vec<(i64, u64)>), Traces<'py>, u128);
type Traces<'py> = (Vec<(i64, Bound<'py, PyBytes>)>, Vec<Bound<'py, PyBytes>>);

/// The edges of a window.
#[pyclass]
pub struct EdgeSums {
    table: EdgeTable,
}

#[pymethods]
impl EdgeSums {
    /// Counts the hops that start in a window. Returns how many edges are new, characters of their texts, and new buckets.
    fn add(&mut self, trace: &CountedTrace, start: i64, width: i64) -> PyResult<(usize, usize, usize)> {
        guarded(|| {
            let grown = self.table.add(&trace.counted, start, width);
            Ok((grown.edges, grown.characters, grown.buckets))
        })
    }

    /// The edges, in no order.
    fn edges<'py>(&self, py: Python<'py>) -> Vec<Edge<'py>> {
        let edges = self.table.edges().map(|(key, sum)| {
            let [caller, callee] = key.kinds;
            let slowest = sum.slowest.iter().map(|(duration, id)| (*duration, id_of(py, id))).collect();
            let failed = sum.failed.iter().map(|id| id_of(py, id)).collect();
            (
                (caller, callee),
                texts(py, &key),
                (sum.calls, sum.failures, sum.total, sum.self_time, sum.critical_path_time),
                (sum.zeros, sum.buckets.iter().map(|(&bucket, &count)| (bucket, count)).collect()),
                (slowest, failed),
                sum.mark,
            )
        });
        edges.collect()
    }
}

/// Counters and histograms of the service graph.
#[pyclass]
pub struct ServiceGraphSums {
    graph: ServiceGraph,
    admit: Py<PyAny>,
}

/// Labels as texts, or `None` for those beyond the bounds.
type Labels = Option<Texts>;
/// Labels; counts of buckets, their sum, and the last span of buckets that have one.
type Series<'py> = (Labels, Vec<u64>, f64, Vec<(usize, Shown<'py>)>);
/// End, value, trace id and span id.
type Shown<'py> = (i64, f64, Bound<'py, PyBytes>, Bound<'py, PyBytes>);
/// Durations in seconds of the client, of the server, and in a queue.
type Seconds = (Option<f64>, Option<f64>, Option<f64>);

#[pymethods]
impl ServiceGraphSums {
    /// `bounds` are of the histograms; `admit` says whether a series may begin, given its number and the texts of its labels.
    #[new]
    fn new(bounds: Vec<f64>, admit: Py<PyAny>) -> Self {
        ServiceGraphSums { graph: ServiceGraph::new(bounds), admit }
    }

    /// Counts the hops of a trace.
    fn add(&mut self, py: Python<'_>, trace: &CountedTrace) -> PyResult<()> {
        guarded(|| {
            let CountedHops { trace_id, hops } = &trace.counted;
            for hop in hops {
                self.count_one(
                    py,
                    &Counted {
                        labels: &hop.labels,
                        is_unpaired: hop.is_unpaired,
                        failed: hop.failed,
                        seconds: hop.times.map(|time| time.map(seconds)),
                        end: hop.end,
                        trace_id: *trace_id,
                        span_id: &hop.span_id,
                    },
                )?;
            }
            Ok(())
        })
    }

    /// Counts a hop that Python drew: labels, whether a side is unknown, whether it failed, durations, end, and ids.
    fn count(
        &mut self,
        py: Python<'_>,
        labels: [String; 5],
        flags: (bool, bool),
        durations: Seconds,
        end: i64,
        ids: (TraceId, Vec<u8>),
    ) -> PyResult<()> {
        guarded(|| {
            let [client, connection, server, environment, virtual_node] = &labels;
            let key = Key { kinds: [0; 2], texts: [client, connection, server, environment, virtual_node] }.encoded();
            let (is_unpaired, failed) = flags;
            let (trace_id, span_id) = ids;
            let seconds = durations.into();
            self.count_one(py, &Counted { labels: &key, is_unpaired, failed, seconds, end, trace_id, span_id: &span_id })
        })
    }

    /// Of each counter its sums, by labels.
    fn counters(&self, py: Python<'_>) -> Vec<Vec<(Labels, u64)>> {
        let of = |labels: &[u8]| Key::of(labels).map(|key| texts(py, &key));
        self.graph.counters.iter().map(|sums| sums.iter().map(|(labels, &sum)| (of(labels), sum)).collect()).collect()
    }

    /// Of each histogram its series.
    fn histograms<'py>(&self, py: Python<'py>) -> Vec<Vec<Series<'py>>> {
        let series = |labels: &[u8], of: &Histogram| {
            let shown = of.exemplars.iter().enumerate().filter_map(|(bucket, last)| Some((bucket, shown(py, last.as_ref()?))));
            (Key::of(labels).map(|key| texts(py, &key)), of.counts.clone(), of.total, shown.collect())
        };
        let each = self.graph.histograms.iter();
        each.map(|of| of.iter().map(|(labels, of)| series(labels, of)).collect()).collect()
    }
}

impl ServiceGraphSums {
    fn count_one(&mut self, py: Python<'_>, hop: &Counted<'_>) -> PyResult<()> {
        let ServiceGraphSums { graph, admit } = self;
        graph.count(hop, &mut |series, labels| {
            let Some(key) = Key::of(labels) else { return Ok(false) };
            admit.bind(py).call1((series, texts(py, &key)))?.extract()
        })
    }
}

fn shown<'py>(py: Python<'py>, of: &Exemplar) -> Shown<'py> {
    (of.end, of.value, id_of(py, &of.trace_id), PyBytes::new(py, &of.span_id))
}
