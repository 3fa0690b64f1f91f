//! What was made of a text, remembered as long as no other text takes its place.

use std::convert::Infallible;

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 1024;
/// Bytes of the longest text that is remembered: with all slots in use a quarter of a megabyte.
const LONGEST: usize = 128;

/// A text for each slot, the last that came for it: so it stays of one size, whatever is sent.
pub struct Slots<V> {
    slots: Vec<Option<(Box<str>, V)>>,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Slots { slots: Vec::new() }
    }
}

impl<V> Slots<V> {
    /// What was made of a text, or is made now.
    pub fn get<E>(&mut self, text: &str, make: impl FnOnce() -> Result<V, E>, copy: impl FnOnce(&V) -> V) -> Result<V, E> {
        if text.len() > LONGEST {
            return make();
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let slot = &mut self.slots[crc32fast::hash(text.as_bytes()) as usize % SLOTS];
        match slot {
            Some((known, value)) if **known == *text => Ok(copy(value)),
            _ => {
                let value = make()?;
                *slot = Some((text.into(), copy(&value)));
                Ok(value)
            }
        }
    }
}

/// Texts of Python, each made once as long as it is in use.
#[derive(Default)]
pub struct Keys(Slots<Py<PyString>>);

impl Keys {
    /// The text as one of Python.
    pub fn get<'py>(&mut self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        let made = self.0.get(text, || Ok::<_, Infallible>(PyString::new(py, text).unbind()), |known| known.clone_ref(py));
        match made {
            Ok(text) => text.into_bound(py),
            Err(never) => match never {},
        }
    }
}
