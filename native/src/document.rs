//! The document of a span as JSON: see `span_document` of telemetry/documents/signals.py.

use std::hash::{BuildHasher, Hash, Hasher};

use crate::json::{pair, put_attributes, put_hex_text, put_integer, put_span_attributes, put_text, status_code};
use crate::status::Status;
use crate::wire::{Fields, Odd, Read};

/// Fields of an `AnyValue`; between them is that of a truth value.
const TEXT: u32 = 1;
const INTEGER: u32 = 3;
const MAX_TIME: u64 = i64::MAX as u64;
const KINDS: [&[u8]; 6] = [b"Unspecified", b"Internal", b"Server", b"Client", b"Producer", b"Consumer"];
const STATUSES: [&[u8]; 3] = [b"Unset", b"Ok", b"Error"];

/// What is written around what the span says: two members each, as JSON without braces.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// `"environment":...`
    pub environment: &'a [u8],
    /// `"resource":...,"scope":...`
    pub resource_and_scope: &'a [u8],
}

#[derive(Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent: &'a [u8],
    name: &'a str,
    trace_state: &'a str,
    kind: u32,
    start: u64,
    end: u64,
    flags: u32,
    dropped: [u32; 3],
    status: Option<Status<'a>>,
    attributes: Vec<&'a [u8]>,
    events: Vec<&'a [u8]>,
    links: Vec<&'a [u8]>,
}

impl<'a> Span<'a> {
    fn of(encoded: &'a [u8]) -> Read<Self> {
        let mut span = Span::default();
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => span.trace_id = value.bytes()?,
                2 => span.span_id = value.bytes()?,
                3 => span.trace_state = value.text()?,
                4 => span.parent = value.bytes()?,
                5 => span.name = value.text()?,
                6 => span.kind = value.number()?,
                7 => span.start = value.fixed64()?,
                8 => span.end = value.fixed64()?,
                9 => span.attributes.push(value.bytes()?),
                10 => span.dropped[0] = value.uint32()?,
                11 => span.events.push(value.bytes()?),
                12 => span.dropped[1] = value.uint32()?,
                13 => span.links.push(value.bytes()?),
                14 => span.dropped[2] = value.uint32()?,
                15 if span.status.is_none() => span.status = Some(Status::of(value.bytes()?)?),
                16 => span.flags = value.fixed32()?,
                _ => return Err(Odd),
            }
        }
        if span.start > MAX_TIME || span.end > MAX_TIME { Err(Odd) } else { Ok(span) }
    }
}

/// What names its attributes have and of which types, as a number other than 0, by the keys of `hasher`; 0 where one is neither
/// a text nor a truth value nor an integer. The span is one whose document could be written.
pub fn shape(encoded: &[u8], hasher: &impl BuildHasher) -> Read<u64> {
    let mut state = hasher.build_hasher();
    for encoded in Span::of(encoded)?.attributes {
        let (name, value) = pair(encoded)?;
        let number = value.map(|value| Fields::of(value).next_field()).transpose()?.flatten().map_or(0, |field| field.0);
        if !(TEXT..=INTEGER).contains(&number) {
            return Ok(0);
        }
        let number = if status_code(name, value).is_some() { INTEGER } else { number };
        (name, number).hash(&mut state);
    }
    Ok(state.finish().max(1))
}

/// Writes the document of an encoded span.
pub fn put_document(out: &mut Vec<u8>, encoded: &[u8], around: Around<'_>) -> Read<()> {
    let span = Span::of(encoded)?;
    let status = span.status.unwrap_or_default();
    out.extend_from_slice(b"{\"trace_id\":");
    put_hex_text(out, span.trace_id);
    out.extend_from_slice(b",\"span_id\":");
    put_hex_text(out, span.span_id);
    out.push(b',');
    out.extend_from_slice(around.environment);
    out.extend_from_slice(b",\"name\":");
    put_text(out, span.name);
    out.extend_from_slice(b",\"kind\":\"");
    out.extend_from_slice(KINDS.get(span.kind as usize).unwrap_or(&KINDS[0]));
    out.extend_from_slice(b"\",\"start\":");
    put_integer(out, span.start);
    out.extend_from_slice(b",\"duration\":");
    put_integer(out, span.end.saturating_sub(span.start));
    out.extend_from_slice(b",\"status\":{\"code\":\"");
    out.extend_from_slice(STATUSES.get(status.code as usize).unwrap_or(&STATUSES[0]));
    out.push(b'"');
    put_text_member(out, "message", status.message);
    out.extend_from_slice(b"},");
    put_span_attributes(out, &span.attributes)?;
    out.push(b',');
    out.extend_from_slice(around.resource_and_scope);
    if span.parent.iter().any(|&byte| byte != 0) || !matches!(span.parent.len(), 0 | 8) {
        out.extend_from_slice(b",\"parent_span_id\":");
        put_hex_text(out, span.parent);
    }
    put_text_member(out, "trace_state", span.trace_state);
    put_number_member(out, "flags", span.flags);
    put_list_member(out, "links", &span.links, put_link)?;
    put_list_member(out, "events", &span.events, put_event)?;
    for (what, count) in ["dropped_attributes_count", "dropped_events_count", "dropped_links_count"].iter().zip(span.dropped) {
        put_number_member(out, what, count);
    }
    out.push(b'}');
    Ok(())
}

fn put_event(out: &mut Vec<u8>, encoded: &[u8]) -> Read<()> {
    let (mut time, mut name, mut attributes, mut dropped) = (0, "", Vec::new(), 0);
    let mut fields = Fields::of(encoded);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => time = value.fixed64()?,
            2 => name = value.text()?,
            3 => attributes.push(value.bytes()?),
            4 => dropped = value.uint32()?,
            _ => return Err(Odd),
        }
    }
    if time > MAX_TIME {
        return Err(Odd);
    }
    out.extend_from_slice(b"{\"time\":");
    put_integer(out, time);
    out.extend_from_slice(b",\"name\":");
    put_text(out, name);
    out.push(b',');
    put_attributes(out, &attributes)?;
    put_number_member(out, "dropped_attributes_count", dropped);
    out.push(b'}');
    Ok(())
}

fn put_link(out: &mut Vec<u8>, encoded: &[u8]) -> Read<()> {
    let (mut trace_id, mut span_id): (&[u8], &[u8]) = (b"", b"");
    let (mut trace_state, mut attributes, mut dropped, mut flags) = ("", Vec::new(), 0, 0);
    let mut fields = Fields::of(encoded);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => trace_id = value.bytes()?,
            2 => span_id = value.bytes()?,
            3 => trace_state = value.text()?,
            4 => attributes.push(value.bytes()?),
            5 => dropped = value.uint32()?,
            6 => flags = value.fixed32()?,
            _ => return Err(Odd),
        }
    }
    out.extend_from_slice(b"{\"trace_id\":");
    put_hex_text(out, trace_id);
    out.extend_from_slice(b",\"span_id\":");
    put_hex_text(out, span_id);
    out.push(b',');
    put_attributes(out, &attributes)?;
    put_text_member(out, "trace_state", trace_state);
    put_number_member(out, "flags", flags);
    put_number_member(out, "dropped_attributes_count", dropped);
    out.push(b'}');
    Ok(())
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn put_text_member(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.is_empty() {
        put_name(out, name);
        put_text(out, text);
    }
}

fn put_number_member(out: &mut Vec<u8>, name: &str, number: u32) {
    if number != 0 {
        put_name(out, name);
        put_integer(out, number);
    }
}

type Put = fn(&mut Vec<u8>, &[u8]) -> Read<()>;

fn put_list_member(out: &mut Vec<u8>, name: &str, items: &[&[u8]], put: Put) -> Read<()> {
    if items.is_empty() {
        return Ok(());
    }
    put_name(out, name);
    for (place, item) in items.iter().enumerate() {
        out.push(if place == 0 { b'[' } else { b',' });
        put(out, item)?;
    }
    out.push(b']');
    Ok(())
}
