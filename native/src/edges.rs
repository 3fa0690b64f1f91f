//! Hops counted by edge: see processors/assembly/edges.py and edge_windows.py.

use std::collections::{BTreeMap, HashMap};

use crate::graph::{Graph, Hop, NodeKind, Place, ResourceNames};
use crate::service_graph::labels_of;
use crate::wire::{Odd, Read};

/// Nanoseconds up to which a division of doubles gives the same seconds as one of integers.
const EXACT: i64 = 1 << 53;

const SECOND: f64 = 1e9;

/// The id of a trace.
pub type TraceId = [u8; 16];

/// What counts of a hop in its edge.
pub struct CountedHop {
    /// Its edge: see [`Key`].
    key: Box<[u8]>,
    /// When it began, in nanoseconds, as all times.
    pub start: i64,
    duration: i64,
    self_time: i64,
    critical_path_time: i64,
    /// Either side did.
    pub failed: bool,
    mark: u128,
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

/// An `EdgeKey`: kinds of caller and callee; their names, the operation, the protocol and the environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// By their numbers.
    pub kinds: [u8; 2],
    /// In that order.
    pub texts: [&'a str; 5],
}

impl<'a> Key<'a> {
    /// As bytes.
    pub fn encoded(&self) -> Box<[u8]> {
        let mut out = Vec::with_capacity(22 + self.texts.iter().map(|text| text.len()).sum::<usize>());
        out.extend_from_slice(&self.kinds);
        for text in self.texts {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.into_boxed_slice()
    }

    /// Of what `encoded` gave.
    pub fn of(encoded: &'a [u8]) -> Option<Self> {
        let (kinds, mut left) = encoded.split_first_chunk::<2>()?;
        let mut texts = [""; 5];
        for text in &mut texts {
            let (size, rest) = left.split_first_chunk::<4>()?;
            let (own, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
            *text = std::str::from_utf8(own).ok()?;
            left = rest;
        }
        Some(Key { kinds: *kinds, texts })
    }

    /// Characters of those texts that bounds of memory count.
    fn characters(&self) -> usize {
        let [caller, callee, operation, _, environment] = self.texts;
        [caller, callee, operation, environment].iter().map(|text| text.chars().count()).sum()
    }
}

/// Hops of one edge and window, added one by one: an `EdgeSum`.
#[derive(Default)]
pub struct Sum {
    /// How many.
    pub calls: u64,
    /// How many failed.
    pub failures: u64,
    /// Of their durations.
    pub total: i128,
    /// Of the callee's own time.
    pub self_time: i128,
    /// Of their parts of critical paths.
    pub critical_path_time: i128,
    /// Durations of no time at all.
    pub zeros: u64,
    /// Durations by bucket.
    pub buckets: BTreeMap<i64, u64>,
    /// The longest of the slowest traces.
    pub slowest: Vec<(i64, TraceId)>,
    /// Traces with a failure, the first by their ids.
    pub failed: Vec<TraceId>,
    /// The sum of the marks of what was counted.
    pub mark: u128,
}

impl Sum {
    /// Returns how many buckets are new.
    fn add(&mut self, hop: &CountedHop, trace_id: TraceId, settings: &Settings) -> usize {
        let buckets = self.buckets.len();
        self.calls += 1;
        self.total += i128::from(hop.duration);
        self.self_time += i128::from(hop.self_time);
        self.critical_path_time += i128::from(hop.critical_path_time);
        self.mark = self.mark.wrapping_add(hop.mark);
        if hop.duration == 0 {
            self.zeros += 1;
        } else {
            *self.buckets.entry(bucket(hop.duration as f64 / SECOND, &settings.steps)).or_default() += 1;
        }
        match self.slowest.iter_mut().find(|(_, known)| *known == trace_id) {
            Some((duration, _)) => *duration = hop.duration.max(*duration),
            None => self.slowest.push((hop.duration, trace_id)),
        }
        self.slowest.sort_unstable_by(|(one, id), (other, other_id)| other.cmp(one).then_with(|| id.cmp(other_id)));
        self.slowest.truncate(settings.exemplars);
        if hop.failed {
            self.failures += 1;
            if let Err(place) = self.failed.binary_search(&trace_id) {
                self.failed.insert(place, trace_id);
                self.failed.truncate(settings.exemplars);
            }
        }
        self.buckets.len() - buckets
    }
}

/// `index_of` of processors/series/histogram.py, of a positive number: its octave, and the step within that.
fn bucket(value: f64, steps: &[f64]) -> i64 {
    let bits = value.to_bits();
    let octave = ((bits >> 52) as i64 & 0x7ff) - 1022;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1022 << 52);
    let step = steps.partition_point(|&bound| bound < mantissa) as i64;
    (octave - 1) * steps.len() as i64 + step - 1
}

/// Of the reference.
pub struct Settings {
    /// Lower bounds of the buckets of an octave, from 0.5: a power of two of them.
    pub steps: Vec<f64>,
    /// Traces kept of an edge.
    pub exemplars: usize,
}

/// The edges of a window.
pub struct EdgeTable {
    settings: Settings,
    sums: HashMap<Box<[u8]>, Sum>,
}

/// What a table holds more than before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grown {
    /// Edges.
    pub edges: usize,
    /// Characters of their texts.
    pub characters: usize,
    /// Buckets of latency.
    pub buckets: usize,
}

impl EdgeTable {
    /// Without edges.
    pub fn new(settings: Settings) -> Self {
        EdgeTable { settings, sums: HashMap::new() }
    }

    /// Counts the hops of a trace that start in the window `[start, start + width)`.
    pub fn add(&mut self, counted: &CountedHops, start: i64, width: i64) -> Grown {
        let mut grown = Grown::default();
        for hop in &counted.hops {
            if hop.start - hop.start % width != start {
                continue;
            }
            if !self.sums.contains_key(&hop.key) {
                self.sums.insert(hop.key.clone(), Sum::default());
                grown.edges += 1;
                grown.characters += Key::of(&hop.key).map_or(0, |key| key.characters());
            }
            if let Some(sum) = self.sums.get_mut(&hop.key) {
                grown.buckets += sum.add(hop, counted.trace_id, &self.settings);
            }
        }
        grown
    }

    /// The edges, in no order.
    pub fn edges(&self) -> impl Iterator<Item = (Key<'_>, &Sum)> {
        self.sums.iter().filter_map(|(key, sum)| Some((Key::of(key)?, sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = Key { kinds: [0, 5], texts: ["a/b", "", "GET /ü", "http", "default"] };
        assert_eq!(Key::of(&key.encoded()).as_ref(), Some(&key));
        assert_eq!(key.characters(), 16);
        assert!(Key::of(&key.encoded()[..9]).is_none());
    }

    #[test]
    fn a_digest_is_blake2b_of_framed_parts() {
        // hashlib.blake2b(b"\0\0\0\1a\0\0\0\0", digest_size=16).hexdigest()
        assert_eq!(format!("{:032x}", digest(&[b"a", b""])), "399d6012b719096543c0e948a4c5a620");
    }

    #[test]
    fn a_bound_is_of_the_bucket_below_it() {
        let steps = [0.5, 0.75]; // two a power of two
        assert_eq!([0.5, 0.51, 0.75, 0.76, 1.0, 1.01].map(|value| bucket(value, &steps)), [-3, -2, -2, -1, -1, 0]);
    }
}
