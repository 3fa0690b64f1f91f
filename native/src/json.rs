//! JSON as orjson writes it: the reference is `json_text` of stores/checks.py.

use crate::validate::{DEEPEST, each};
use crate::wire::{Fields, Odd, Read, Value};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    // Nearly all texts are plain; a loop without an exit is one that the compiler does sixteen bytes at a time.
    if !bytes.iter().fold(false, |odd, &byte| odd | is_escaped(byte)) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut written = 0;
    for (place, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[written..place]);
        written = place + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                put_hex(out, &[byte]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes bytes as a text in hex.
pub fn put_hex_text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    put_hex(out, bytes);
    out.push(b'"');
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// Writes an integer.
pub fn put_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes an `AnyValue`. What is in it twice, and a number that JSON has not, are for the reference.
pub fn put_value(out: &mut Vec<u8>, encoded: &[u8], depth: u32) -> Read<()> {
    let deeper = depth.checked_sub(1).ok_or(Odd)?;
    let mut fields = Fields::of(encoded);
    let Some((number, value)) = fields.next_field()? else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    if fields.next_field()?.is_some() {
        return Err(Odd);
    }
    match number {
        1 => put_text(out, value.text()?),
        2 => out.extend_from_slice(if value.varint()? != 0 { b"true" } else { b"false" }),
        3 => put_integer(out, value.varint()? as i64),
        4 => {
            let number = f64::from_bits(value.fixed64()?);
            if !number.is_finite() {
                return Err(Odd);
            }
            out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
        }
        5 => {
            out.push(b'[');
            let mut first = true;
            each(value.bytes()?, |item| {
                put_comma(out, &mut first);
                put_value(out, item, deeper)
            })?;
            out.push(b']');
        }
        6 => {
            let mut object = Object::open(out);
            each(value.bytes()?, |item| object.put(out, item, deeper))?;
            out.push(b'}');
        }
        7 => put_hex_text(out, value.bytes()?),
        _ => return Err(Odd),
    }
    Ok(())
}

fn put_comma(out: &mut Vec<u8>, first: &mut bool) {
    if !*first {
        out.push(b',');
    }
    *first = false;
}

/// `HTTP_STATUS_CODE` of telemetry/attributes.py.
const STATUS_CODES: [&str; 2] = ["http.response.status_code", "http.status_code"];

/// The number of a status code that its sender wrote as a text of three digits: see `_numbered` of
/// telemetry/documents/signals.py.
pub fn status_code(name: &str, value: Option<&[u8]>) -> Option<u32> {
    if !STATUS_CODES.contains(&name) {
        return None;
    }
    let mut fields = Fields::of(value?);
    let (Ok(Some((1, Value::Bytes(digits)))), Ok(None)) = (fields.next_field(), fields.next_field()) else { return None };
    if digits.len() != 3 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// An object of attributes that is being written. A name that comes twice is for the reference.
pub struct Object<'a> {
    first: bool,
    seen: [u64; 4],
    names: Vec<&'a str>,
}

impl<'a> Object<'a> {
    /// Begins one.
    pub fn open(out: &mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { first: true, seen: [0; 4], names: Vec::with_capacity(24) }
    }

    /// Writes a `KeyValue`.
    fn put(&mut self, out: &mut Vec<u8>, encoded: &'a [u8], depth: u32) -> Read<()> {
        let (name, value) = pair(encoded)?;
        self.put_name(out, name)?;
        put_optional(out, value, depth)
    }

    /// Writes a `KeyValue` of a span itself.
    fn put_of_span(&mut self, out: &mut Vec<u8>, encoded: &'a [u8]) -> Read<()> {
        let (name, value) = pair(encoded)?;
        self.put_name(out, name)?;
        match status_code(name, value) {
            Some(code) => put_integer(out, code),
            None => put_optional(out, value, DEEPEST)?,
        }
        Ok(())
    }

    fn put_name(&mut self, out: &mut Vec<u8>, name: &'a str) -> Read<()> {
        // A few bits of a name tell nearly always that it is new.
        let (first, last) = (name.bytes().next().unwrap_or(0), name.bytes().next_back().unwrap_or(0));
        let mark = name.len() * 29 + usize::from(first) * 7 + usize::from(last);
        let (word, bit) = (mark >> 6 & 3, 1u64 << (mark & 63));
        if self.seen[word] & bit != 0 && self.names.contains(&name) {
            return Err(Odd);
        }
        self.seen[word] |= bit;
        self.names.push(name);
        put_comma(out, &mut self.first);
        put_text(out, name);
        out.push(b':');
        Ok(())
    }
}

fn put_optional(out: &mut Vec<u8>, value: Option<&[u8]>, depth: u32) -> Read<()> {
    match value {
        Some(value) => put_value(out, value, depth),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// All attributes of a span, as the member of an object that other members follow.
pub fn put_span_attributes(out: &mut Vec<u8>, attributes: &[&[u8]]) -> Read<()> {
    out.extend_from_slice(b"\"attributes\":");
    let mut object = Object::open(out);
    for encoded in attributes {
        object.put_of_span(out, encoded)?;
    }
    out.push(b'}');
    Ok(())
}

/// The same of what is within a span.
pub fn put_attributes(out: &mut Vec<u8>, attributes: &[&[u8]]) -> Read<()> {
    out.extend_from_slice(b"\"attributes\":");
    let mut object = Object::open(out);
    for encoded in attributes {
        object.put(out, encoded, DEEPEST)?;
    }
    out.push(b'}');
    Ok(())
}

/// The key and the encoded value of a `KeyValue` that has each of them once at most.
pub fn pair(encoded: &[u8]) -> Read<(&str, Option<&[u8]>)> {
    let (mut key, mut value) = (None, None);
    let mut fields = Fields::of(encoded);
    while let Some((number, field)) = fields.next_field()? {
        match number {
            1 if key.is_none() => key = Some(field.text()?),
            2 if value.is_none() => value = Some(field.bytes()?),
            _ => return Err(Odd),
        }
    }
    Ok((key.unwrap_or_default(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_where_json_says_so() {
        let mut out = Vec::new();
        put_text(&mut out, "a\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}é☕");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}é☕\"");
    }

    #[test]
    fn a_name_that_comes_twice_is_odd() {
        let mut out = Vec::new();
        let pair: &[u8] = b"\x0a\x01a";
        assert_eq!(put_attributes(&mut out, &[pair, b"\x0a\x01b"]), Ok(()));
        assert_eq!(out, b"\"attributes\":{\"a\":null,\"b\":null}");
        assert_eq!(put_attributes(&mut out, &[pair, pair]), Err(Odd));
    }
}
