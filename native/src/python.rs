//! What Python sees.

use std::hash::RandomState;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::attributes::AttributeDecoder;
use crate::counting::{CountedTrace, EdgeSums, ServiceGraphSums};
use crate::decode::SpanDecoder;
use crate::document::{self, Around};
use crate::drawing::CallGraphs;
use crate::senders::ResourceNames;
use crate::split;

create_exception!(spanloom_native, KernelPanic, PyException, "A kernel failed: an error of ours.");

/// Of the functions below: `INTERFACE` of processors/kernels/extension.py.
const INTERFACE: u32 = 7;

/// A document as JSON, and the shape of its attributes.
type Document<'py> = (Bound<'py, PyBytes>, u64);

/// The keys of shapes, by chance: no sender can make two of one number.
static SHAPES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

type Bytes = Py<PyBytes>;
type Parts = Vec<(u32, Bytes)>;
type Queries = Vec<(Bytes, Bytes, Bytes, u64)>;

/// Runs a kernel; a panic within it is a `KernelPanic`.
pub fn guarded<T>(kernel: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(kernel)).unwrap_or_else(|panic| {
        let message = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(KernelPanic::new_err(message.to_owned()))
    })
}

/// Parts of a request by partition, link queries, and how many spans had no times; `None` for what is not usual.
#[pyfunction]
fn split_spans(py: Python<'_>, request: &[u8], partitions: u32, arrived: u64) -> PyResult<Option<(Parts, Queries, u64)>> {
    guarded(|| {
        let Ok(found) = split::split(request, partitions, arrived) else { return Ok(None) };
        let bytes = |content: &[u8]| PyBytes::new(py, content).unbind();
        let parts = found.parts.iter().map(|(partition, part)| (*partition, bytes(part))).collect();
        let queries = (found.queries.iter())
            .map(|&(trace_id, span_id, receiver, time)| (bytes(trace_id), bytes(span_id), bytes(receiver), time))
            .collect();
        Ok(Some((parts, queries, found.untimed)))
    })
}

/// The documents of encoded spans as JSON, each with the shape of its attributes or `None` for what is not usual. `around` has two pieces for each span: its
/// environment, and its resource and scope, as members of a JSON object without braces.
#[pyfunction]
fn span_documents<'py>(
    py: Python<'py>,
    spans: Vec<Bound<'py, PyBytes>>,
    around: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
) -> PyResult<Vec<Option<Document<'py>>>> {
    guarded(|| {
        if spans.len() != around.len() {
            return Err(PyValueError::new_err("what is around each span"));
        }
        let mut out = Vec::with_capacity(4096);
        let mut found = Vec::with_capacity(spans.len());
        for (span, (environment, resource_and_scope)) in spans.iter().zip(&around) {
            out.clear();
            let around = Around { environment: environment.as_bytes(), resource_and_scope: resource_and_scope.as_bytes() };
            let written = document::put_document(&mut out, span.as_bytes(), around)
                .and_then(|()| document::shape(span.as_bytes(), LazyLock::force(&SHAPES)));
            found.push(written.ok().map(|shape| (PyBytes::new(py, &out), shape)));
        }
        Ok(found)
    })
}

/// Panics, so that a test can see what becomes of it.
#[pyfunction]
fn panic(message: String) -> PyResult<()> {
    guarded(|| panic!("{message}"))
}

#[pymodule]
fn spanloom_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add("KernelPanic", module.py().get_type::<KernelPanic>())?;
    module.add_class::<AttributeDecoder>()?;
    module.add_class::<SpanDecoder>()?;
    module.add_class::<CallGraphs>()?;
    module.add_class::<ResourceNames>()?;
    module.add_class::<CountedTrace>()?;
    module.add_class::<EdgeSums>()?;
    module.add_class::<ServiceGraphSums>()?;
    module.add_function(wrap_pyfunction!(split_spans, module)?)?;
    module.add_function(wrap_pyfunction!(span_documents, module)?)?;
    module.add_function(wrap_pyfunction!(panic, module)?)
}
