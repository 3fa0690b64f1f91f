//! Who sent spans, as call graphs name it.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::graph;

/// What is asked of a resource: service, instance, host and environment.
#[pyclass(frozen)]
pub struct ResourceNames {
    pub said: graph::ResourceNames,
    texts: [Py<PyString>; 4],
}

#[pymethods]
impl ResourceNames {
    #[new]
    fn new(py: Python<'_>, service: String, instance: String, host: String, environment: String) -> Self {
        let texts = [&service, &instance, &host, &environment].map(|text| PyString::new(py, text).unbind());
        ResourceNames { said: graph::ResourceNames { service, instance, host, environment }, texts }
    }
}

/// Numbers of texts.
pub const SERVICE: usize = 0;
pub const INSTANCE: usize = 1;
pub const HOST: usize = 2;
pub const ENVIRONMENT: usize = 3;

impl ResourceNames {
    /// One of the texts, by those numbers.
    pub fn text<'py>(&self, py: Python<'py>, which: usize) -> Bound<'py, PyString> {
        self.texts[which].bind(py).clone()
    }
}
