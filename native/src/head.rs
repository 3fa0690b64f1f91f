//! Of a span that stays encoded what it is known by: see telemetry/otlp/encoded_spans.py and check.py.

use crate::wire::{Fields, Odd, Read};

const MAX_TIME: u64 = i64::MAX as u64;

/// Ids, times and links of a valid span.
#[derive(Debug)]
pub struct Head<'a> {
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub kind: u32,
    pub start: u64,
    pub end: u64,
    pub links: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Of an encoded span; [`Odd`] where one of them is what OTLP calls invalid.
    #[inline]
    pub fn of(span: &'a [u8]) -> Read<Self> {
        let mut head = Head { trace_id: b"", span_id: b"", kind: 0, start: 0, end: 0, links: Vec::new() };
        let mut parent: &[u8] = b"";
        let mut fields = Fields::of(span);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => head.trace_id = value.bytes()?,
                2 => head.span_id = value.bytes()?,
                4 => parent = value.bytes()?,
                6 => head.kind = value.number()?,
                7 => head.start = value.fixed64()?,
                8 => head.end = value.fixed64()?,
                13 => head.links.push(link(value.bytes()?)?),
                _ => {}
            }
        }
        let valid = is_id(head.trace_id, 16)
            && is_id(head.span_id, 8)
            && matches!(parent.len(), 0 | 8)
            && head.start <= MAX_TIME
            && head.end <= MAX_TIME;
        if valid { Ok(head) } else { Err(Odd) }
    }
}

fn is_id(id: &[u8], size: usize) -> bool {
    id.len() == size && id.iter().any(|&byte| byte != 0)
}

/// The trace and the span that a link names.
pub fn link(message: &[u8]) -> Read<(&[u8], &[u8])> {
    let (mut trace_id, mut span_id): (&[u8], &[u8]) = (b"", b"");
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => trace_id = value.bytes()?,
            2 => span_id = value.bytes()?,
            _ => {}
        }
    }
    if trace_id.len() == 16 && span_id.len() == 8 { Ok((trace_id, span_id)) } else { Err(Odd) }
}
