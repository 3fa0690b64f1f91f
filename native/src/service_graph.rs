//! Hops counted by the labels of the service graph: see processors/series/service_graph.py and cumulative.py.

use std::collections::HashMap;

use crate::edges::{Key, TraceId};
use crate::graph::{Hop, NodeKind};

const SECOND: f64 = 1e9;

/// The labels of a hop as a key: client, connection type, server, environment, and which side is virtual.
pub fn labels_of(hop: &Hop<'_>, environment: &str) -> Box<[u8]> {
    let of_kind = |kind| hop.caller.kind == kind || hop.callee.kind == kind;
    let virtual_node = match (hop.server_span_id.is_empty(), hop.caller.kind) {
        (true, _) => "server",
        (false, NodeKind::Service) => "",
        (false, _) => "client",
    };
    let connection = match virtual_node {
        _ if of_kind(NodeKind::Database) => "database",
        _ if of_kind(NodeKind::Queue) || hop.queue_wait.is_some() => "messaging_system",
        "" => "",
        _ => "virtual_node",
    };
    Key { kinds: [0; 2], texts: [&hop.caller.name, connection, &hop.callee.name, environment, virtual_node] }.encoded()
}

/// What the service graph counts of a hop.
pub struct Counted<'a> {
    /// See [`labels_of`].
    pub labels: &'a [u8],
    /// Whether one side is unknown: it is no request then.
    pub is_unpaired: bool,
    /// Whether it failed.
    pub failed: bool,
    /// Durations: of the client, of the server, and in a queue.
    pub seconds: [Option<f64>; 3],
    /// When it ended, in nanoseconds.
    pub end: i64,
    /// Of the hop.
    pub trace_id: TraceId,
    /// Of the span that shows it.
    pub span_id: &'a [u8],
}

/// Nanoseconds, of which a double holds each one, in seconds.
pub fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / SECOND
}

/// A span that a bucket counted: its end, the value, and its ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// In nanoseconds.
    pub end: i64,
    /// In seconds.
    pub value: f64,
    /// Of the trace.
    pub trace_id: TraceId,
    /// Of the span.
    pub span_id: Vec<u8>,
}

/// Values in buckets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Of each bucket.
    pub counts: Vec<u64>,
    /// Their sum, in the order in which they came.
    pub total: f64,
    /// The last of each bucket.
    pub exemplars: Vec<Option<Exemplar>>,
}

impl Histogram {
    fn record(&mut self, bounds: &[f64], exemplar: Exemplar) {
        if self.counts.is_empty() {
            self.counts = vec![0; bounds.len() + 1];
            self.exemplars = vec![None; bounds.len() + 1];
        }
        let bucket = bounds.partition_point(|&bound| bound < exemplar.value);
        self.counts[bucket] += 1;
        self.total += exemplar.value;
        self.exemplars[bucket] = Some(exemplar);
    }
}

/// Numbers of series: requests, failed ones, unpaired spans; times of clients, of servers, and in queues.
const REQUESTS: usize = 0;
const FAILED: usize = 1;
const UNPAIRED: usize = 2;
const TIMES: usize = 3;

type ByLabels<V> = HashMap<Box<[u8]>, V>;

/// The counters and histograms of one partition.
pub struct ServiceGraph {
    bounds: Vec<f64>,
    /// Requests, failed ones and unpaired spans. The empty key is that of labels beyond the bounds.
    pub counters: [ByLabels<u64>; 3],
    /// Times of clients, of servers, and in queues.
    pub histograms: [ByLabels<Histogram>; 3],
}

impl ServiceGraph {
    /// Without series; `bounds` are of the histograms.
    pub fn new(bounds: Vec<f64>) -> Self {
        ServiceGraph { bounds, counters: Default::default(), histograms: Default::default() }
    }

    /// Counts a hop. `admit` decides about a series that is new, by its number and labels.
    pub fn count<E>(&mut self, hop: &Counted<'_>, admit: &mut impl FnMut(usize, &[u8]) -> Result<bool, E>) -> Result<(), E> {
        if hop.is_unpaired {
            *slot(&mut self.counters[UNPAIRED], UNPAIRED, hop.labels, admit)? += 1;
            return Ok(());
        }
        *slot(&mut self.counters[REQUESTS], REQUESTS, hop.labels, admit)? += 1;
        *slot(&mut self.counters[FAILED], FAILED, hop.labels, admit)? += u64::from(hop.failed);
        for (place, value) in hop.seconds.iter().enumerate() {
            if let &Some(value) = value {
                let shown = Exemplar { end: hop.end, value, trace_id: hop.trace_id, span_id: hop.span_id.to_vec() };
                slot(&mut self.histograms[place], TIMES + place, hop.labels, admit)?.record(&self.bounds, shown);
            }
        }
        Ok(())
    }
}

fn slot<'a, V: Default, E>(
    values: &'a mut ByLabels<V>,
    series: usize,
    labels: &[u8],
    admit: &mut impl FnMut(usize, &[u8]) -> Result<bool, E>,
) -> Result<&'a mut V, E> {
    let labels = if values.contains_key(labels) || admit(series, labels)? { labels } else { &[][..] };
    if !values.contains_key(labels) {
        values.insert(labels.into(), V::default());
    }
    Ok(values.entry(labels.into()).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: Counted<'_> = Counted {
        labels: b"a",
        is_unpaired: false,
        failed: true,
        seconds: [Some(0.5), None, Some(2.0)],
        end: 7,
        trace_id: [1; 16],
        span_id: &[2; 8],
    };

    #[test]
    fn what_is_not_admitted_counts_together() {
        let mut graph = ServiceGraph::new(vec![0.5, 1.0]);
        for labels in [b"a", b"b", b"c", b"a"] {
            graph.count(&Counted { labels, ..HOP }, &mut |_, labels: &[u8]| Ok::<_, ()>(labels == b"a")).unwrap();
        }
        let sums = |values: &ByLabels<u64>| [&b"a"[..], b""].map(|labels| values[labels]);
        assert_eq!(graph.counters.each_ref().map(|values| values.len()), [2, 2, 0]);
        assert_eq!(sums(&graph.counters[REQUESTS]), [2, 2]);
        assert_eq!(graph.histograms[0][&b"a"[..]].counts, [2, 0, 0]);
        assert_eq!(graph.histograms[2][&b""[..]].counts, [0, 0, 2]);
        assert_eq!(graph.histograms[2][&b""[..]].total, 4.0);
    }

    #[test]
    fn an_unpaired_span_is_no_request() {
        let mut graph = ServiceGraph::new(vec![0.5]);
        graph.count(&Counted { is_unpaired: true, ..HOP }, &mut |series, _: &[u8]| Ok::<_, ()>(series == UNPAIRED)).unwrap();
        assert_eq!(graph.counters.each_ref().map(|values| values.len()), [0, 0, 1]);
    }
}
