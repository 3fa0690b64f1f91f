//! The call graph of a trace: see processors/call_graph, whose files have the names of these.
//!
//! What is rare is [`Odd`], and the reference draws the whole trace: ids that several spans share, cycles of parents, values of
//! attributes that are no plain texts or numbers.

mod calls;
mod critical_path;
mod exits;
mod hop_document;
mod hops;
mod occupancy;
mod operations;
mod peers;
mod span;
mod trace_document;
mod tree;
mod vocabulary;

pub use hop_document::{About, Place, put_hop};
pub use hops::{Hop, HopId};
pub use operations::Words;
pub use peers::{KIND_NAMES, Node, NodeKind};
pub use span::ResourceNames;
pub use trace_document::put_trace;
pub use vocabulary::{SLOTS, Vocabulary};

use crate::wire::{Odd, Read};
use critical_path::critical_path;
use operations::Operations;
use tree::Tree;

/// A piece of the critical path.
pub struct Segment<'a> {
    /// Of the span.
    pub span_id: &'a [u8],
    /// Who sent the span.
    pub sender: usize,
    /// Of the span.
    pub operation: usize,
    /// In nanoseconds.
    pub start: i64,
    /// In nanoseconds.
    pub end: i64,
}

/// A `CallGraph` of telemetry/call_graph.py. Operations and senders are numbers: of `operations`, and of the spans that came.
pub struct Graph<'a> {
    /// Of all spans.
    pub trace_id: &'a [u8],
    /// Of the first span.
    pub start: i64,
    /// Of the last span.
    pub end: i64,
    /// How many spans there are.
    pub span_count: usize,
    /// Id, sender and operation.
    pub root: Option<(&'a [u8], usize, usize)>,
    /// Sorted, each by the number of one of its senders.
    pub services: Vec<usize>,
    /// Sorted by start and id.
    pub hops: Vec<Hop<'a>>,
    /// Disjoint, in order.
    pub critical_path: Vec<Segment<'a>>,
    /// Sorted.
    pub missing_parents: Vec<&'a [u8]>,
    /// Sorted.
    pub orphans: Vec<&'a [u8]>,
    /// Spans with status error.
    pub errors: usize,
    /// From 0 to 1.
    pub completeness: f64,
    /// By its sender.
    pub environment: usize,
    /// Their texts.
    pub operations: Vec<String>,
}

/// The call graph of the spans of one trace, each encoded and with its sender.
pub fn call_graph<'a>(
    spans: &[(&'a [u8], &'a ResourceNames)],
    vocabulary: &'a Vocabulary,
    words: &mut dyn Words,
) -> Read<Graph<'a>> {
    let tree = Tree::of(spans, vocabulary, words)?;
    let members = &tree.members;
    let mut operations = Operations::of(members.len());
    let pieces = critical_path(&tree);
    let hops = hops::hops_of(&tree, &pieces, vocabulary, words, &mut operations)?;
    let mut path: Vec<Segment<'a>> = Vec::with_capacity(pieces.len());
    for &(member, start, end) in &pieces {
        let span = &members[member];
        match path.last_mut() {
            Some(last) if last.span_id == span.span_id => last.end = end,
            _ => path.push(Segment {
                span_id: span.span_id,
                sender: span.came,
                operation: operations.of_span(member, span, words)?,
                start,
                end,
            }),
        }
    }
    let root = match tree.roots.first() {
        Some(&root) => Some((members[root].span_id, members[root].came, operations.of_span(root, &members[root], words)?)),
        None => None,
    };
    let known = members.len() + tree.missing.len();
    let completeness = members.len() as f64 / known as f64;
    let mut services: Vec<&span::Span<'_>> = members.iter().collect();
    services.sort_unstable_by(|one, other| one.sender.service.cmp(&other.sender.service));
    services.dedup_by(|one, other| one.sender.service == other.sender.service);
    let mut orphans: Vec<&[u8]> = tree.orphans.iter().map(|&orphan| members[orphan].span_id).collect();
    orphans.sort_unstable();
    let first = tree.roots.first().copied().unwrap_or(0); // they are sorted by start and id
    Ok(Graph {
        trace_id: tree.trace_id,
        start: members.iter().map(|member| member.start).min().ok_or(Odd)?,
        end: members.iter().map(|member| member.end).max().ok_or(Odd)?,
        span_count: members.len(),
        root,
        services: services.iter().map(|member| member.came).collect(),
        hops,
        critical_path: path,
        missing_parents: tree.missing,
        orphans,
        errors: members.iter().filter(|member| member.failed).count(),
        completeness: if tree.roots.is_empty() { completeness / 2.0 } else { completeness },
        environment: members[first].came,
        operations: operations.texts,
    })
}
