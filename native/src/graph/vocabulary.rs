//! Attribute names of the semantic conventions: `telemetry/attributes.py` has them, and hands them over.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::wire::{Fields, Odd, Read};

/// How many there are of the following.
pub const SLOTS: usize = 23;

pub const SERVICE_PEER_NAME: u8 = 0;
pub const SERVICE_PEER_NAMESPACE: u8 = 1;
pub const SERVER_ADDRESS: u8 = 2;
pub const SERVER_PORT: u8 = 3;
pub const NETWORK_PEER_ADDRESS: u8 = 4;
pub const NETWORK_PEER_PORT: u8 = 5;
pub const NETWORK_PROTOCOL_NAME: u8 = 6;
pub const HTTP_METHOD: u8 = 7;
pub const HTTP_ROUTE: u8 = 8;
pub const URL_FULL: u8 = 9;
pub const URL_TEMPLATE: u8 = 10;
pub const RPC_SYSTEM: u8 = 11;
pub const DB_SYSTEM: u8 = 12;
pub const DB_NAMESPACE: u8 = 13;
pub const DB_OPERATION: u8 = 14;
pub const DB_COLLECTION: u8 = 15;
pub const DB_QUERY_SUMMARY: u8 = 16;
pub const MESSAGING_SYSTEM: u8 = 17;
pub const MESSAGING_DESTINATION: u8 = 18;
pub const MESSAGING_DESTINATION_TEMPLATE: u8 = 19;
pub const MESSAGING_DESTINATION_TEMPORARY: u8 = 20;
pub const MESSAGING_DESTINATION_ANONYMOUS: u8 = 21;
pub const MESSAGING_OPERATION_TYPE: u8 = 22;

/// The names that are asked for, and what is known of database systems.
pub struct Vocabulary {
    by_length: Vec<Vec<(String, u8, u8)>>,
    /// Today's name of a database system by its old one.
    pub systems: HashMap<String, String>,
    /// The port that a database system listens on by default.
    pub ports: HashMap<String, String>,
}

impl Vocabulary {
    /// Of the names of each of the slots above, today's first; `None` where their number is another, or one comes twice.
    pub fn of(names: &[Vec<String>], systems: HashMap<String, String>, ports: HashMap<String, String>) -> Option<Self> {
        let longest = names.iter().flatten().map(String::len).max()?;
        let mut by_length: Vec<Vec<(String, u8, u8)>> = vec![Vec::new(); longest + 1];
        for (slot, names) in names.iter().enumerate() {
            for (rank, name) in names.iter().enumerate() {
                let known = &mut by_length[name.len()];
                if known.iter().any(|(other, ..)| other == name) {
                    return None;
                }
                known.push((name.clone(), slot as u8, rank as u8));
            }
        }
        (names.len() == SLOTS).then_some(Vocabulary { by_length, systems, ports })
    }

    /// The slot and the rank of a name, if it is one of them.
    #[inline]
    pub fn find(&self, name: &str) -> Option<(u8, u8)> {
        let known = self.by_length.get(name.len())?;
        known.iter().find(|(other, ..)| other == name).map(|&(_, slot, rank)| (slot, rank))
    }
}

/// What the attributes of a span say under such names.
#[derive(Default)]
pub struct Said<'a> {
    present: u32,
    values: Vec<(u8, u8, Option<&'a [u8]>)>,
}

impl<'a> Said<'a> {
    /// Puts an encoded value under a name; of several under one the last counts.
    pub fn put(&mut self, slot: u8, rank: u8, value: Option<&'a [u8]>) {
        let known = if self.has(slot) { self.values.iter_mut().find(|known| (known.0, known.1) == (slot, rank)) } else { None };
        match known {
            Some(known) => known.2 = value,
            None => self.values.push((slot, rank, value)),
        }
        self.present |= 1 << slot;
    }

    #[inline]
    fn has(&self, slot: u8) -> bool {
        self.present >> slot & 1 != 0
    }

    /// `text` of telemetry/attributes.py.
    #[inline]
    pub fn text(&self, slot: u8) -> Read<Cow<'a, str>> {
        if !self.has(slot) {
            return Ok(Cow::Borrowed(""));
        }
        let mut best: Option<(u8, Cow<'a, str>)> = None;
        for &(_, rank, value) in self.values.iter().filter(|known| known.0 == slot) {
            let Some(text) = value.map(text_of).transpose()?.filter(|text| !text.is_empty()) else { continue };
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, text));
            }
        }
        Ok(best.map(|(_, text)| text).unwrap_or_default())
    }
}

/// An `AnyValue` as `str` of Python writes it; empty for none.
fn text_of(encoded: &[u8]) -> Read<Cow<'_, str>> {
    let mut fields = Fields::of(encoded);
    let Some((number, value)) = fields.next_field()? else { return Ok(Cow::Borrowed("")) };
    if fields.next_field()?.is_some() {
        return Err(Odd);
    }
    Ok(match number {
        1 => Cow::Borrowed(value.text()?),
        2 => Cow::Borrowed(if value.varint()? != 0 { "True" } else { "False" }),
        3 => Cow::Owned((value.varint()? as i64).to_string()),
        _ => return Err(Odd),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_with_a_text_counts_and_of_one_name_the_last_value() {
        let mut said = Said::default();
        said.put(3, 1, Some(b"\x0a\x03old"));
        assert_eq!(said.text(3).as_deref(), Ok("old"));
        said.put(3, 0, Some(b"\x0a\x00"));
        assert_eq!(said.text(3).as_deref(), Ok("old"));
        said.put(3, 0, Some(b"\x18\x07"));
        assert_eq!(said.text(3).as_deref(), Ok("7"));
        said.put(3, 0, None);
        said.put(3, 1, Some(b"\x10\x01"));
        assert_eq!(said.text(3).as_deref(), Ok("True"));
        assert_eq!(said.text(4).as_deref(), Ok(""));
    }

    #[test]
    fn a_name_in_two_slots_is_refused() {
        let mut names: Vec<Vec<String>> = (0..SLOTS).map(|slot| vec![format!("name.{slot}")]).collect();
        assert!(Vocabulary::of(&names, HashMap::new(), HashMap::new()).is_some());
        names[3].push("name.4".to_owned());
        assert!(Vocabulary::of(&names, HashMap::new(), HashMap::new()).is_none());
        names.pop();
        assert!(Vocabulary::of(&names[..1], HashMap::new(), HashMap::new()).is_none());
    }
}
