//! Encoded spans to objects of Python: see `span_of` of telemetry/otlp/decode.py.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString, PyTuple};

use crate::attributes::{self, Attributes, Decoded, Failure, OF_SPAN, Object};
use crate::python::guarded;
use crate::status::Status;
use crate::validate::DEEPEST;
use crate::wire::Fields;

const MAX_TIME: u64 = i64::MAX as u64;

/// Makes spans of the classes that it is given, and remembers attribute names.
#[pyclass]
pub struct SpanDecoder {
    span: Py<PyAny>,
    event: Py<PyAny>,
    link: Py<PyAny>,
    dropped: Py<PyAny>,
    none_dropped: Py<PyAny>,
    kinds: Vec<Py<PyAny>>,
    statuses: Vec<Py<PyAny>>,
    later: Py<PyAny>,
    attributes: Attributes,
}

type Classes = (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>);

#[pymethods]
impl SpanDecoder {
    /// The classes `Span`, `SpanEvent`, `SpanLink` and `DroppedCounts`, and what makes the attributes of an encoded span, which are
    /// decoded when somebody asks; the `DroppedCounts` of nothing, the kinds and the status codes by their numbers from 0.
    #[new]
    fn new(classes: Classes, none_dropped: Py<PyAny>, kinds: Vec<Py<PyAny>>, statuses: Vec<Py<PyAny>>) -> PyResult<Self> {
        let (span, event, link, dropped, later) = classes;
        if kinds.is_empty() || statuses.is_empty() {
            return Err(PyValueError::new_err("there is no kind or no status code of number 0"));
        }
        Ok(SpanDecoder { span, event, link, dropped, none_dropped, kinds, statuses, later, attributes: Attributes::default() })
    }

    /// Each of the spans, or `None` for one that is not usual. `around` has the resource and scope of each.
    fn decode<'py>(
        &mut self,
        py: Python<'py>,
        spans: Vec<Bound<'py, PyBytes>>,
        around: Vec<(Object<'py>, Object<'py>)>,
    ) -> PyResult<Vec<Option<Object<'py>>>> {
        guarded(|| {
            if spans.len() != around.len() {
                return Err(PyValueError::new_err("a resource and scope for each span"));
            }
            let mut found = Vec::with_capacity(spans.len());
            for (span, (resource, scope)) in spans.iter().zip(around) {
                found.push(match self.span(py, span, resource, scope) {
                    Ok(decoded) => Some(decoded),
                    Err(Failure::Odd) => None,
                    Err(Failure::Python(error)) => return Err(error),
                });
            }
            Ok(found)
        })
    }
}

impl SpanDecoder {
    fn span<'py>(
        &mut self,
        py: Python<'py>,
        encoded: &Bound<'py, PyBytes>,
        resource: Object<'py>,
        scope: Object<'py>,
    ) -> Decoded<Object<'py>> {
        let (mut trace_id, mut span_id, mut parent): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        let (mut name, mut trace_state) = ("", "");
        let (mut kind, mut start, mut end, mut flags) = (0, 0, 0, 0);
        let mut dropped = [0; 3];
        let mut status = None;
        let mut has_attributes = false;
        let (mut events, mut links) = (Vec::new(), Vec::new());
        let mut fields = Fields::of(encoded.as_bytes());
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => trace_id = value.bytes()?,
                2 => span_id = value.bytes()?,
                3 => trace_state = value.text()?,
                4 => parent = value.bytes()?,
                5 => name = value.text()?,
                6 => kind = value.number()?,
                7 => start = value.fixed64()?,
                8 => end = value.fixed64()?,
                OF_SPAN => {
                    attributes::check(value.bytes()?, DEEPEST)?;
                    has_attributes = true;
                }
                10 => dropped[0] = value.uint32()?,
                11 => events.push(self.event(py, value.bytes()?)?),
                12 => dropped[1] = value.uint32()?,
                13 => links.push(self.link(py, value.bytes()?)?),
                14 => dropped[2] = value.uint32()?,
                15 if status.is_none() => status = Some(Status::of(value.bytes()?)?),
                16 => flags = value.fixed32()?,
                _ => return Err(Failure::Odd),
            }
        }
        let status = status.unwrap_or_default();
        let parent = if parent == [0; 8] { b"" } else { parent };
        let dropped = match dropped {
            [0, 0, 0] => self.none_dropped.bind(py).clone(),
            [attributes, events, links] => self.dropped.bind(py).call1((attributes, events, links))?,
        };
        let attributes = match has_attributes {
            true => self.later.bind(py).call1((encoded,))?,
            false => PyDict::new(py).into_any(),
        };
        let fields: [Object<'py>; 17] = [
            PyBytes::new(py, trace_id).into_any(),
            PyBytes::new(py, span_id).into_any(),
            PyBytes::new(py, parent).into_any(),
            PyString::new(py, name).into_any(),
            numbered(py, &self.kinds, kind),
            PyInt::new(py, start).into_any(),
            PyInt::new(py, end).into_any(),
            resource,
            scope,
            numbered(py, &self.statuses, status.code),
            PyString::new(py, status.message).into_any(),
            attributes,
            PyTuple::new(py, events)?.into_any(),
            PyTuple::new(py, links)?.into_any(),
            PyString::new(py, trace_state).into_any(),
            PyInt::new(py, flags).into_any(),
            dropped,
        ];
        Ok(self.span.bind(py).call1(PyTuple::new(py, fields)?)?)
    }

    fn event<'py>(&mut self, py: Python<'py>, encoded: &[u8]) -> Decoded<Object<'py>> {
        let (mut time, mut name, mut dropped) = (0, "", 0);
        let attributes = PyDict::new(py);
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => time = value.fixed64()?,
                2 => name = value.text()?,
                3 => self.attributes.put(&attributes, value.bytes()?, DEEPEST)?,
                4 => dropped = value.uint32()?,
                _ => return Err(Failure::Odd),
            }
        }
        if time > MAX_TIME {
            return Err(Failure::Odd);
        }
        Ok(self.event.bind(py).call1((time, name, attributes, dropped))?)
    }

    fn link<'py>(&mut self, py: Python<'py>, encoded: &[u8]) -> Decoded<Object<'py>> {
        let (mut trace_id, mut span_id): (&[u8], &[u8]) = (b"", b"");
        let (mut trace_state, mut dropped, mut flags) = ("", 0, 0);
        let attributes = PyDict::new(py);
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => trace_id = value.bytes()?,
                2 => span_id = value.bytes()?,
                3 => trace_state = value.text()?,
                4 => self.attributes.put(&attributes, value.bytes()?, DEEPEST)?,
                5 => dropped = value.uint32()?,
                6 => flags = value.fixed32()?,
                _ => return Err(Failure::Odd),
            }
        }
        let (trace_id, span_id) = (PyBytes::new(py, trace_id), PyBytes::new(py, span_id));
        Ok(self.link.bind(py).call1((trace_id, span_id, attributes, trace_state, flags, dropped))?)
    }
}

/// The member of an enumeration; that of number 0 for a number that has none.
fn numbered<'py>(py: Python<'py>, members: &[Py<PyAny>], number: u32) -> Object<'py> {
    members.get(number as usize).unwrap_or(&members[0]).bind(py).clone()
}
