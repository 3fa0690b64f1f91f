//! Attribute names as texts of Python, each made once as long as it is in use.

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 1024;
/// Bytes of the longest name that is remembered: with all slots in use a quarter of a megabyte.
const LONGEST: usize = 128;

/// A name for each slot, the last that came for it: so it stays of one size, whatever is sent.
#[derive(Default)]
pub struct Keys {
    slots: Vec<Option<Key>>,
}

struct Key {
    name: Box<str>,
    text: Py<PyString>,
}

impl Keys {
    /// The name as a text of Python.
    pub fn get<'py>(&mut self, py: Python<'py>, name: &str) -> Bound<'py, PyString> {
        if name.len() > LONGEST {
            return PyString::new(py, name);
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let slot = &mut self.slots[crc32fast::hash(name.as_bytes()) as usize % SLOTS];
        match slot {
            Some(key) if *key.name == *name => key.text.bind(py).clone(),
            _ => {
                let text = PyString::new(py, name);
                *slot = Some(Key { name: name.into(), text: text.clone().unbind() });
                text
            }
        }
    }
}
