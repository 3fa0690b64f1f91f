//! The status of a span.

use crate::wire::{Fields, Odd, Read};

/// A `Status`.
#[derive(Default, Clone, Copy)]
pub struct Status<'a> {
    /// For people.
    pub message: &'a str,
    /// Its number, which may be none that is known.
    pub code: u32,
}

impl<'a> Status<'a> {
    /// Of an encoded message.
    pub fn of(encoded: &'a [u8]) -> Read<Self> {
        let mut status = Status::default();
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                2 => status.message = value.text()?,
                3 => status.code = value.number()?,
                _ => return Err(Odd),
            }
        }
        Ok(status)
    }
}
