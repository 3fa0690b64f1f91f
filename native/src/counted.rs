//! What counters ask of the hops of a trace.

use crate::edges::{Key, TraceId};
use crate::graph::{Graph, Hop, NodeKind, Place, ResourceNames};
use crate::service_graph::labels_of;
use crate::wire::{Odd, Read};

/// Nanoseconds up to which a division of doubles gives the same seconds as one of integers.
const EXACT: i64 = 1 << 53;

/// What counts of a hop in its edge.
pub struct CountedHop {
    /// Its edge: see [`Key`].
    pub key: Box<[u8]>,
    /// When it began, in nanoseconds, as all times.
    pub start: i64,
    /// See `Hop.duration`.
    pub duration: i64,
    /// The callee's own time.
    pub self_time: i64,
    /// Its part of the critical path.
    pub critical_path_time: i64,
    /// Either side did.
    pub failed: bool,
    /// The digest that names it.
    pub mark: u128,
    /// Of the service graph.
    pub labels: Box<[u8]>,
    /// Whether one of its sides is unknown.
    pub is_unpaired: bool,
    /// Durations: of the client, of the server, and in a queue.
    pub times: [Option<i64>; 3],
    /// When it ended.
    pub end: i64,
    /// The span that answered, else the one that asked.
    pub span_id: Vec<u8>,
    /// What it says of two clocks.
    pub clocks: Option<Clocks>,
}

/// Two hosts, and the bounds of how far the second's clock is behind the first's.
#[derive(Clone)]
pub struct Clocks {
    /// Whose span asked, and whose answered.
    pub hosts: [String; 2],
    /// From, and up to.
    pub bounds: [i64; 2],
}

impl Clocks {
    fn of(hop: &Hop<'_>) -> Option<Self> {
        let (gap, begun) = (hop.gap?, hop.server_start?);
        let hosts = [&hop.source?.1.host, &hop.server?.1.host];
        if hop.is_inferred || hosts[0] == hosts[1] || hosts.iter().any(|host| host.is_empty()) {
            return None;
        }
        let low = hop.start - begun;
        Some(Clocks { hosts: hosts.map(String::clone), bounds: [low, low.checked_add(gap)?] })
    }
}

/// The hops of a trace that nobody has counted yet.
pub struct CountedHops {
    /// Whose they are.
    pub trace_id: TraceId,
    /// In the order of the graph.
    pub hops: Vec<CountedHop>,
}

impl CountedHops {
    /// Of a graph whose spans came from `senders`; [`Odd`] where a duration is of months.
    pub fn of(graph: &Graph<'_>, spans: &[(&[u8], &ResourceNames)], place: Place) -> Read<Self> {
        let revision = place.revision.to_string();
        let mut hops = Vec::with_capacity(graph.hops.len());
        for hop in &graph.hops {
            let duration = hop.duration();
            let times = [hop.client_duration, hop.server_duration, hop.queue_wait];
            if times.iter().flatten().chain([&duration]).any(|time| !(0..EXACT).contains(time)) {
                return Err(Odd);
            }
            let environment = hop.home().map_or("", |home| &spans[home].1.environment);
            let id: Vec<u8> = hop.id.bytes().collect();
            let key = Key {
                kinds: [hop.caller.kind as u8, hop.callee.kind as u8],
                texts: [&hop.caller.name, &hop.callee.name, &graph.operations[hop.operation], &hop.protocol, environment],
            };
            hops.push(CountedHop {
                key: key.encoded(),
                start: hop.start,
                duration,
                self_time: hop.occupancy.map_or(0, |parts| parts.0),
                critical_path_time: hop.critical_path_time,
                failed: hop.failed,
                mark: digest(&[graph.trace_id, &id, revision.as_bytes()]),
                labels: labels_of(hop, environment),
                is_unpaired: [hop.caller.kind, hop.callee.kind].contains(&NodeKind::Unknown),
                times,
                end: hop.end,
                span_id: if hop.server_span_id.is_empty() { hop.client_span_id } else { hop.server_span_id }.to_vec(),
                clocks: Clocks::of(hop),
            });
        }
        Ok(CountedHops { trace_id: graph.trace_id.try_into().map_err(|_| Odd)?, hops })
    }
}

/// `digest` of telemetry/documents/kinds.py, as a number.
fn digest(parts: &[&[u8]]) -> u128 {
    let mut state = blake2b_simd::Params::new().hash_length(16).to_state();
    for part in parts {
        state.update(&(part.len() as u32).to_be_bytes()).update(part);
    }
    let mut number = [0; 16];
    number.copy_from_slice(state.finalize().as_bytes());
    u128::from_be_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_blake2b_of_framed_parts() {
        // hashlib.blake2b(b"\0\0\0\1a\0\0\0\0", digest_size=16).hexdigest()
        assert_eq!(format!("{:032x}", digest(&[b"a", b""])), "399d6012b719096543c0e948a4c5a620");
    }
}
