//! Whether protobuf would parse a resource or a scope: all texts within are UTF-8, all messages whole.

use crate::wire::{Fields, Odd, Read};

/// Values within values that are looked into here; protobuf's own limit is a hundred.
pub const DEEPEST: u32 = 24;

/// Whether it is a `Resource` of the fields that are known today.
pub fn resource(message: &[u8]) -> Read<()> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => key_value(value.bytes()?, DEEPEST)?,
            2 => drop(value.varint()?),
            3 => entity(value.bytes()?)?,
            _ => return Err(Odd),
        }
    }
    Ok(())
}

/// Whether it is an `InstrumentationScope` of the fields that are known today.
pub fn scope(message: &[u8]) -> Read<()> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 | 2 => drop(value.text()?),
            3 => key_value(value.bytes()?, DEEPEST)?,
            4 => drop(value.varint()?),
            _ => return Err(Odd),
        }
    }
    Ok(())
}

fn entity(message: &[u8]) -> Read<()> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1..=4 => drop(value.text()?),
            _ => return Err(Odd),
        }
    }
    Ok(())
}

fn key_value(message: &[u8], depth: u32) -> Read<()> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => drop(value.text()?),
            2 => any_value(value.bytes()?, depth)?,
            _ => return Err(Odd),
        }
    }
    Ok(())
}

fn any_value(message: &[u8], depth: u32) -> Read<()> {
    let deeper = depth.checked_sub(1).ok_or(Odd)?;
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => drop(value.text()?),
            2 | 3 => drop(value.varint()?),
            4 => drop(value.fixed64()?),
            5 => each(value.bytes()?, |item| any_value(item, deeper))?,
            6 => each(value.bytes()?, |item| key_value(item, deeper))?,
            7 => drop(value.bytes()?),
            _ => return Err(Odd),
        }
    }
    Ok(())
}

/// Gives each of the messages of field 1, which is all there may be.
pub fn each<'a>(message: &'a [u8], mut visit: impl FnMut(&'a [u8]) -> Read<()>) -> Read<()> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => visit(value.bytes()?)?,
            _ => return Err(Odd),
        }
    }
    Ok(())
}
