//! Protobuf's wire format, as much of it as OTLP needs.
//!
//! What is malformed, or well-formed and unusual (groups, other wire types than the field's, numbers beyond its range), is
//! [`Odd`]: the caller hands the whole input back, and the reference in Python says what it is. So nothing here has to agree
//! with protobuf's library on anything but what senders really write.

/// An input that is for the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd;

/// What a reader gives, unless the input is [`Odd`].
pub type Read<T> = Result<T, Odd>;

/// A field's value, still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Of wire type 0.
    Varint(u64),
    /// Of wire type 1.
    Fixed64(u64),
    /// Of wire type 2: bytes, a text or a message.
    Bytes(&'a [u8]),
    /// Of wire type 5.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field.
    pub fn bytes(self) -> Read<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Odd),
        }
    }

    /// The text of a length-delimited field. Protobuf refuses one that is not UTF-8.
    pub fn text(self) -> Read<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Odd)
    }

    /// A varint of any size.
    pub fn varint(self) -> Read<u64> {
        match self {
            Value::Varint(value) => Ok(value),
            _ => Err(Odd),
        }
    }

    /// A varint that is no negative number and fits `uint32`.
    pub fn uint32(self) -> Read<u32> {
        u32::try_from(self.varint()?).map_err(|_| Odd)
    }

    /// The number of an enumeration, of those that protobuf may assign and nobody yet has made negative.
    pub fn number(self) -> Read<u32> {
        self.uint32().and_then(|value| if value <= i32::MAX as u32 { Ok(value) } else { Err(Odd) })
    }

    /// A `fixed64`.
    pub fn fixed64(self) -> Read<u64> {
        match self {
            Value::Fixed64(value) => Ok(value),
            _ => Err(Odd),
        }
    }

    /// A `fixed32`.
    pub fn fixed32(self) -> Read<u32> {
        match self {
            Value::Fixed32(value) => Ok(value),
            _ => Err(Odd),
        }
    }
}

/// The fields of a message in their order.
#[derive(Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of an encoded message.
    pub fn of(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// The number and the value of the next field; `None` at the end.
    #[inline]
    pub fn next_field(&mut self) -> Read<Option<(u32, Value<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Odd)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Odd)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Odd),
        };
        match tag >> 3 {
            0 => Err(Odd),
            number => Ok(Some((number, value))),
        }
    }

    #[inline]
    fn varint(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for (place, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                return Err(Odd);
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                self.rest = &self.rest[place + 1..];
                return Ok(value);
            }
        }
        Err(Odd)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Odd)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Odd)
    }
}

/// Bytes that a varint takes.
pub fn varint_size(value: usize) -> usize {
    let bits = (usize::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

/// Bytes of a length-delimited field with a number below 16.
pub fn field_size(length: usize) -> usize {
    1 + varint_size(length) + length
}

/// Writes the tag and the length of a length-delimited field with a number below 16.
pub fn put_head(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | 2);
    let mut rest = length;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Writes a length-delimited field with a number below 16.
pub fn put_field(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    put_head(out, number, content.len());
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_is_read_as_it_is_written() {
        for length in [0usize, 1, 127, 128, 16_383, 16_384, 1 << 21, u32::MAX as usize] {
            let mut out = Vec::new();
            put_head(&mut out, 1, length);
            assert_eq!(out.len(), 1 + varint_size(length));
            let mut fields = Fields { rest: &out[1..] };
            assert_eq!(fields.varint(), Ok(length as u64));
        }
    }

    #[test]
    fn what_is_cut_off_or_has_no_number_is_odd() {
        for message in [&b"\x0a"[..], b"\x0a\x05ab", b"\x09\x01", b"\x80", b"\x00\x01", b"\x0b\x0c", &[0xff; 11]] {
            assert_eq!(Fields::of(message).next_field(), Err(Odd), "{message:?}");
        }
    }
}
