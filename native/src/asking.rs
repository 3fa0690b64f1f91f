//! What call graphs ask Python about texts.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::graph::Words;
use crate::keys::Slots;
use crate::wire::{Odd, Read};

/// Functions of Python that are asked about texts.
pub struct Asked {
    pub normalised: Py<PyAny>,
    pub of_proxy: Py<PyAny>,
    pub host_of: Py<PyAny>,
    pub server_side: Py<PyAny>,
}

/// Asks Python; an error of it is for the reference, which meets it again.
pub struct Asking<'a, 'py> {
    pub py: Python<'py>,
    pub asked: &'a Asked,
    pub normalised: &'a mut Slots<String>,
}

impl Words for Asking<'_, '_> {
    fn normalised(&mut self, name: &str) -> Read<String> {
        let ask = || self.asked.normalised.bind(self.py).call1((name,))?.extract();
        self.normalised.get(name, ask, String::clone).map_err(|_: PyErr| Odd)
    }

    fn of_proxy(&mut self, name: &str, method: &str, url: &str) -> Read<String> {
        let answer = self.asked.of_proxy.bind(self.py).call1((name, method, url));
        answer.and_then(|text| text.extract()).map_err(|_| Odd)
    }

    fn host(&mut self, url: &str) -> Read<String> {
        self.asked.host_of.bind(self.py).call1((url,)).and_then(|text| text.extract()).map_err(|_| Odd)
    }

    fn server_side(&mut self, id: &[u8]) -> Read<Vec<u8>> {
        let answer = self.asked.server_side.bind(self.py).call1((PyBytes::new(self.py, id),));
        answer.and_then(|id| id.extract()).map_err(|_| Odd)
    }
}
