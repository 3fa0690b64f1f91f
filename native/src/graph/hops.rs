//! The hops of a trace: see processors/call_graph/hops.py.

use std::borrow::Cow;

use crate::wire::{Odd, Read};

use super::calls::{Call, calls_of};
use super::occupancy::occupancy;
use super::operations::{Operations, Words, protocol_of};
use super::peers::Node;
use super::span::{Link, ResourceNames, Span};
use super::tree::Tree;
use super::vocabulary::Vocabulary;

/// `RESOLUTION` of the reference.
const RESOLUTION: i64 = 1_000_000;

/// Nanoseconds up to which a share is one division of doubles.
const EXACT: i64 = 1 << 53;

/// The id of a hop: that of a span, of a span and its parent, or of a span and what its link names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopId<'a> {
    parent: &'a [u8],
    own: &'a [u8],
    link: Link<'a>,
}

impl HopId<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        self.parent.iter().chain(self.own).chain(self.link.0).chain(self.link.1).copied()
    }
}

/// A `Hop` of telemetry/call_graph.py. Operations and senders are numbers: see `Graph`.
pub struct Hop<'a> {
    /// Unique in the trace.
    pub id: HopId<'a>,
    /// Whose call it is.
    pub caller: Node<'a>,
    /// Who answers it.
    pub callee: Node<'a>,
    /// Of the side that knows best.
    pub operation: usize,
    /// Empty where it is not known.
    pub protocol: Cow<'a, str>,
    /// In nanoseconds, as all times.
    pub start: i64,
    /// Of the side that waited.
    pub end: i64,
    /// Empty where that side sent none.
    pub client_span_id: &'a [u8],
    /// Empty where that side sent none.
    pub server_span_id: &'a [u8],
    /// Of that side.
    pub client_duration: Option<i64>,
    /// Of that side.
    pub server_duration: Option<i64>,
    /// The one less the other.
    pub gap: Option<i64>,
    /// How long the callee waited for no, for one, and for several calls.
    pub occupancy: Option<(i64, i64, i64)>,
    /// Of a message.
    pub queue_wait: Option<i64>,
    /// Its part of the critical path.
    pub critical_path_time: i64,
    /// The same, from 0 to 1.
    pub critical_path_share: f64,
    /// Of the callee's clock.
    pub skew: Option<i64>,
    /// Either side did.
    pub failed: bool,
    /// From a change of service.
    pub is_inferred: bool,
    /// Known by a link.
    pub is_linked: bool,
    /// By the callee's clock.
    pub server_start: Option<i64>,
    /// Number and resource of the caller.
    pub source: Option<(usize, &'a ResourceNames)>,
    /// Number and resource of the callee.
    pub server: Option<(usize, &'a ResourceNames)>,
}

impl Hop<'_> {
    /// The number of whose environment it is in: the caller, or the callee where the caller sends no spans.
    pub fn home(&self) -> Option<usize> {
        self.source.or(self.server).map(|(sender, _)| sender)
    }

    /// What the caller waited, else what the callee took.
    pub fn duration(&self) -> i64 {
        self.client_duration.or(self.server_duration).unwrap_or_else(|| (self.end - self.start).max(0))
    }
}

/// The hops, sorted by start and id. `path` is the critical path.
pub fn hops_of<'a>(
    tree: &Tree<'a>,
    path: &[(usize, i64, i64)],
    vocabulary: &'a Vocabulary,
    words: &mut dyn Words,
    operations: &mut Operations,
) -> Read<Vec<Hop<'a>>> {
    let members = &tree.members;
    let mut calls = Vec::new();
    for call in calls_of(tree, vocabulary, words)? {
        let side = call.client.or(call.server).ok_or(Odd)?;
        calls.push((members[side].start, hop_id(tree, &call), call));
    }
    calls.sort_by(|(start, id, _), (other, other_id, _)| start.cmp(other).then_with(|| id.bytes().cmp(other_id.bytes())));
    let mut sharing = vec![0u32; members.len()];
    for client in calls.iter().filter_map(|(_, _, call)| call.client) {
        sharing[client] += 1;
    }
    let waited = waits(tree, &calls);
    let (critical, total) = critical_time(tree, &calls, path);
    if total >= EXACT {
        return Err(Odd);
    }
    let mut hops = Vec::with_capacity(calls.len());
    for ((_, id, call), critical) in calls.into_iter().zip(critical) {
        let client = call.client.map(|client| &members[client]);
        let server = call.server.map(|server| &members[server]);
        let near = client.or(server).ok_or(Odd)?;
        let (described_by, described) = call.server.or(call.client).map(|side| (side, &members[side])).ok_or(Odd)?;
        let mut protocol = client.map(|client| protocol_of(&client.said, vocabulary)).transpose()?.unwrap_or_default();
        if protocol.is_empty() {
            protocol = protocol_of(&described.said, vocabulary)?;
        }
        let source = call.source.map(|source| &members[source]);
        let peer = call.peer.unwrap_or_else(Node::unknown);
        let node = |side: Option<&Span<'a>>| side.map_or_else(|| peer.clone(), |side| Node::service(side.service()));
        let sides = Sides::of(client, server, call.client.is_some_and(|client| sharing[client] == 1));
        hops.push(Hop {
            id,
            caller: node(source),
            callee: node(server),
            operation: operations.of_span(described_by, described, words)?,
            protocol,
            start: near.start,
            end: near.end,
            client_span_id: client.map_or(b"", |client| client.span_id),
            server_span_id: server.map_or(b"", |server| server.span_id),
            client_duration: client.map(|client| client.end - client.start),
            server_duration: server.map(|server| server.end - server.start),
            gap: sides.gap,
            occupancy: (call.server.zip(server)).map(|(own, server)| occupancy(server.start, server.end, &waited[own])),
            queue_wait: sides.queue_wait,
            critical_path_time: critical,
            critical_path_share: if total == 0 { 0.0 } else { critical as f64 / total as f64 },
            skew: sides.skew,
            failed: client.is_some_and(|client| client.failed) || server.is_some_and(|server| server.failed),
            is_inferred: call.is_inferred,
            is_linked: call.link.is_some(),
            server_start: server.map(|server| server.start),
            source: source.map(|source| (source.came, source.sender)),
            server: server.map(|server| (server.came, server.sender)),
        });
    }
    Ok(hops)
}

type Placed<'a> = (i64, HopId<'a>, Call<'a>);

fn hop_id<'a>(tree: &Tree<'a>, call: &Call<'a>) -> HopId<'a> {
    let span = &tree.members[call.span];
    let parent = if call.is_inferred && span.role.is_exit() { span.parent_id } else { b"" };
    HopId { parent, own: span.span_id, link: call.link.unwrap_or((b"", b"")) }
}

/// What the two sides of a call say together.
#[derive(Default)]
struct Sides {
    gap: Option<i64>,
    queue_wait: Option<i64>,
    skew: Option<i64>,
}

impl Sides {
    fn of(client: Option<&Span<'_>>, server: Option<&Span<'_>>, is_alone: bool) -> Self {
        let (Some(client), Some(server)) = (client, server) else { return Sides::default() };
        if client.role.is_of_message() || server.role.is_of_message() {
            let (queue_wait, skew) = ((server.start - client.end).max(0), (client.start - server.start).max(0));
            return Sides { gap: None, queue_wait: Some(queue_wait), skew: Some(skew) };
        }
        if !is_alone || !is_nested(client, server) {
            return Sides::default();
        }
        let gap = (client.end - client.start) - (server.end - server.start);
        let (least, most) = ((client.start - server.start).max(0), (client.end - server.end).min(0));
        Sides { gap: Some(gap), queue_wait: None, skew: Some(if least == 0 { most } else { least }) }
    }
}

fn is_nested(client: &Span<'_>, server: &Span<'_>) -> bool {
    if server.end - server.start > client.end - client.start {
        return false;
    }
    if client.start - RESOLUTION <= server.start && server.end <= client.end.saturating_add(RESOLUTION) {
        return true;
    }
    let gave_up = client.failed && !server.failed;
    if gave_up && client.start <= server.start && server.start <= client.end && client.end < server.end {
        return false;
    }
    let host = &client.sender.host;
    host.is_empty() || *host != server.sender.host
}

/// The calls that each server span waits for, as intervals.
fn waits(tree: &Tree<'_>, calls: &[Placed<'_>]) -> Vec<Vec<(i64, i64)>> {
    #[derive(Clone, Copy, Default)]
    struct Sides {
        is_server: bool,
        is_timed: bool,
        is_timed_by_callee: bool,
    }
    let mut sides = vec![Sides::default(); tree.members.len()];
    for (_, _, call) in calls {
        if let Some(server) = call.server {
            sides[server].is_server = true;
            sides[server].is_timed_by_callee |= call.client.is_none() && call.source.is_some() && call.link.is_none();
        }
        if let Some(client) = call.client {
            sides[client].is_timed = true;
        }
    }
    let mut waited = vec![Vec::new(); sides.len()];
    let mut inside: Vec<Option<usize>> = vec![None; sides.len()]; // whose work a span is
    for &member in &tree.order {
        let span = &tree.members[member];
        let mut within = span.parent.and_then(|parent| inside[parent]);
        if sides[member].is_server {
            if let Some(server) = within.filter(|_| sides[member].is_timed_by_callee) {
                waited[server].push((span.start, span.end));
            }
            within = Some(member);
        }
        if let Some(server) = within.filter(|_| sides[member].is_timed) {
            waited[server].push((span.start, span.end));
            within = None;
        }
        inside[member] = within;
    }
    waited
}

/// The part of the critical path that each call has, and the whole.
fn critical_time(tree: &Tree<'_>, calls: &[Placed<'_>], path: &[(usize, i64, i64)]) -> (Vec<i64>, i64) {
    let mut owner: Vec<Option<usize>> = vec![None; tree.members.len()];
    for side in [|call: &Call<'_>| call.server, |call: &Call<'_>| call.client] {
        for (place, (_, _, call)) in calls.iter().enumerate() {
            if let Some(member) = side(call) {
                owner[member].get_or_insert(place);
            }
        }
    }
    for &member in &tree.order {
        if owner[member].is_none() {
            owner[member] = tree.members[member].parent.and_then(|parent| owner[parent]);
        }
    }
    let (mut spent, mut total) = (vec![0; calls.len()], 0);
    for &(member, start, end) in path {
        total += end - start;
        if let Some(own) = owner[member] {
            spent[own] += end - start;
        }
    }
    (spent, total)
}
