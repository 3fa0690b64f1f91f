//! Spans of an export request by the partition of their trace: see `split_spans` of processors/kernels/reference.py.

use std::borrow::Cow;

use crate::head::Head;
use crate::validate;
use crate::wire::{Fields, Odd, Read, field_size, put_field, put_head};

/// Bytes of resources, scopes and schemas in all documents of a request: `MAX_REPEATED` of telemetry/otlp/check.py.
const MAX_REPEATED: u64 = 128 << 20;

/// Partitions of a topic up to which a table of them is made for each request.
const MAX_PARTITIONS: u32 = 1 << 16;

const CLIENT: u32 = 3;
const CONSUMER: u32 = 5;

/// A link query: trace and span that sent the message, trace that received it, time.
pub type LinkQuery<'a> = (&'a [u8], &'a [u8], &'a [u8], u64);

/// A request by partition.
#[derive(Debug, Default)]
pub struct Split<'a> {
    /// A request for each partition, in the order of their first spans.
    pub parts: Vec<(u32, Vec<u8>)>,
    /// Link queries to other traces.
    pub queries: Vec<LinkQuery<'a>>,
    /// Spans that had no times.
    pub untimed: u64,
}

/// Spans of one resource and scope.
struct Group<'a> {
    resource: Cow<'a, [u8]>,
    resource_schema: &'a [u8],
    scope: Cow<'a, [u8]>,
    scope_schema: &'a [u8],
}

struct SpanOut<'a> {
    encoded: &'a [u8],
    times: Option<[u8; 18]>,
}

impl SpanOut<'_> {
    fn size(&self) -> usize {
        self.encoded.len() + self.times.map_or(0, |times| times.len())
    }
}

/// Of one group what goes to one partition.
struct Section<'a> {
    group: usize,
    spans: Vec<SpanOut<'a>>,
}

/// See the module. `arrived` is in nanoseconds.
pub fn split(request: &[u8], partitions: u32, arrived: u64) -> Read<Split<'_>> {
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        return Err(Odd);
    }
    let mut found = Split::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut sections: Vec<Vec<Section>> = Vec::new();
    sections.resize_with(partitions as usize, Vec::new);
    let mut order: Vec<u32> = Vec::new();
    let mut repeated = 0u64;
    validate::each(request, |by_resource| {
        let (resource, resource_schema, scopes) = whole(by_resource)?;
        validate::resource(&resource)?;
        for by_scope in scopes {
            let (scope, scope_schema, spans) = whole(by_scope)?;
            validate::scope(&scope)?;
            let around = resource.len() + resource_schema.len() + scope.len() + scope_schema.len();
            repeated += (around * spans.len()) as u64;
            if repeated > MAX_REPEATED {
                return Err(Odd);
            }
            if spans.is_empty() {
                continue;
            }
            let group = groups.len();
            groups.push(Group { resource: resource.clone(), resource_schema, scope, scope_schema });
            for encoded in spans {
                let head = Head::of(encoded)?;
                let times = timed(&head, arrived);
                found.untimed += u64::from(times.is_some());
                let start = times.map_or(head.start, |(start, _)| start);
                let partition = crc32fast::hash(head.trace_id) % partitions;
                let of_partition = &mut sections[partition as usize];
                if of_partition.is_empty() {
                    order.push(partition);
                }
                if of_partition.last().is_none_or(|section| section.group != group) {
                    of_partition.push(Section { group, spans: Vec::new() });
                }
                if let Some(section) = of_partition.last_mut() {
                    section.spans.push(SpanOut { encoded, times: times.map(encoded_times) });
                }
                if matches!(head.kind, CLIENT | CONSUMER) {
                    for &(trace_id, span_id) in &head.links {
                        if trace_id != head.trace_id && any(trace_id) && any(span_id) {
                            found.queries.push((trace_id, span_id, head.trace_id, start));
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    found.parts = order.into_iter().map(|partition| (partition, write(&groups, &sections[partition as usize]))).collect();
    Ok(found)
}

/// What ResourceSpans and ScopeSpans have in common: a message that may come in parts (1), others (2), and a schema (3).
type Whole<'a> = (Cow<'a, [u8]>, &'a [u8], Vec<&'a [u8]>);

fn whole(message: &[u8]) -> Read<Whole<'_>> {
    let mut about: Cow<[u8]> = Cow::Borrowed(b"");
    let (mut schema, mut items): (&[u8], Vec<&[u8]>) = (b"", Vec::new());
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 if about.is_empty() => about = Cow::Borrowed(value.bytes()?),
            1 => about.to_mut().extend_from_slice(value.bytes()?),
            2 => items.push(value.bytes()?),
            3 => schema = value.bytes()?,
            _ => return Err(Odd),
        }
    }
    Ok((about, schema, items))
}

const YEAR: u64 = 365 * 86_400 * 1_000_000_000;

/// The times of a span that lacks one or both: see `times_of` of processors/kernels/untimed.py.
fn timed(head: &Head, arrived: u64) -> Option<(u64, u64)> {
    match (head.start, head.end) {
        (1.., 1..) => None,
        (start @ 1.., 0) => Some((start, start)),
        (0, end) if end > YEAR => Some((end, end)),
        (0, end) => Some((arrived.saturating_sub(end).max(1), arrived.max(1))),
    }
}

/// Both times as fields of a span: of a field that comes twice the last counts.
fn encoded_times((start, end): (u64, u64)) -> [u8; 18] {
    let mut out = [0; 18];
    out[0] = 7 << 3 | 1;
    out[1..9].copy_from_slice(&start.to_le_bytes());
    out[9] = 8 << 3 | 1;
    out[10..].copy_from_slice(&end.to_le_bytes());
    out
}

fn any(id: &[u8]) -> bool {
    id.iter().any(|&byte| byte != 0)
}

/// The request of one partition. Sections that stand one behind the other and have the same resource are below one.
fn write(groups: &[Group], sections: &[Section]) -> Vec<u8> {
    let same = |one: &Section, other: &Section| {
        let (one, other) = (&groups[one.group], &groups[other.group]);
        one.resource == other.resource && one.resource_schema == other.resource_schema
    };
    let mut out = Vec::new();
    for below_one in sections.chunk_by(same) {
        let sizes: Vec<usize> = below_one.iter().map(|section| section_size(groups, section)).collect();
        let group = &groups[below_one[0].group];
        let around = present(&group.resource) + present(group.resource_schema);
        put_head(&mut out, 1, around + sizes.iter().map(|&size| field_size(size)).sum::<usize>());
        put_present(&mut out, 1, &group.resource);
        for (section, &size) in below_one.iter().zip(&sizes) {
            let group = &groups[section.group];
            put_head(&mut out, 2, size);
            put_present(&mut out, 1, &group.scope);
            for span in &section.spans {
                put_head(&mut out, 2, span.size());
                out.extend_from_slice(span.encoded);
                if let Some(times) = &span.times {
                    out.extend_from_slice(times);
                }
            }
            put_present(&mut out, 3, group.scope_schema);
        }
        put_present(&mut out, 3, group.resource_schema);
    }
    out
}

fn section_size(groups: &[Group], section: &Section) -> usize {
    let group = &groups[section.group];
    let spans: usize = section.spans.iter().map(|span| field_size(span.size())).sum();
    present(&group.scope) + spans + present(group.scope_schema)
}

fn present(content: &[u8]) -> usize {
    if content.is_empty() { 0 } else { field_size(content.len()) }
}

fn put_present(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    if !content.is_empty() {
        put_field(out, number, content);
    }
}
