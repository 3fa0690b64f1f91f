//! Hops counted by edge: see processors/assembly/edges.py and edge_windows.py.

use std::collections::{BTreeMap, HashMap};

use crate::counted::{CountedHop, CountedHops};

const SECOND: f64 = 1e9;

/// The id of a trace.
pub type TraceId = [u8; 16];

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
    fn a_bound_is_of_the_bucket_below_it() {
        let steps = [0.5, 0.75]; // two a power of two
        assert_eq!([0.5, 0.51, 0.75, 0.76, 1.0, 1.01].map(|value| bucket(value, &steps)), [-3, -2, -2, -1, -1, 0]);
    }
}
