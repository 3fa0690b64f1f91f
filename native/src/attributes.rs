//! Attributes to objects of Python: see `value_of` of telemetry/otlp/decode.py.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::json::pair;
use crate::keys::Keys;
use crate::python::guarded;
use crate::validate::{DEEPEST, each};
use crate::wire::{Fields, Odd, Read, Value};

/// Why a span is not decoded here.
pub enum Failure {
    /// It is for the reference.
    Odd,
    /// Python failed, as at the end of memory.
    Python(PyErr),
}

impl From<Odd> for Failure {
    fn from(_: Odd) -> Self {
        Failure::Odd
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}

/// Any object.
pub type Object<'py> = Bound<'py, PyAny>;
/// What is decoded.
pub type Decoded<T> = Result<T, Failure>;

/// Makes attributes, and remembers their names.
#[derive(Default)]
pub struct Attributes(Keys);

impl Attributes {
    /// Of an encoded span.
    pub fn of_span<'py>(&mut self, py: Python<'py>, encoded: &[u8]) -> Decoded<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            if number == OF_SPAN {
                self.put(&found, value.bytes()?, DEEPEST)?;
            }
        }
        Ok(found)
    }

    /// Adds an attribute; of a name that comes twice the last counts, at the place of the first.
    pub fn put(&mut self, into: &Bound<'_, PyDict>, encoded: &[u8], depth: u32) -> Decoded<()> {
        let py = into.py();
        let (key, value) = pair(encoded)?;
        let value = match value {
            Some(value) => self.value(py, value, depth)?,
            None => py.None().into_bound(py),
        };
        Ok(into.set_item(self.0.get(py, key), value)?)
    }

    fn value<'py>(&mut self, py: Python<'py>, encoded: &[u8], depth: u32) -> Decoded<Object<'py>> {
        let deeper = depth.checked_sub(1).ok_or(Odd)?;
        let mut fields = Fields::of(encoded);
        let Some((number, value)) = fields.next_field()? else {
            return Ok(py.None().into_bound(py));
        };
        if fields.next_field()?.is_some() {
            return Err(Failure::Odd); // of several the last counts, and some of them are joined
        }
        Ok(match number {
            1 => PyString::new(py, value.text()?).into_any(),
            2 => PyBool::new(py, value.varint()? != 0).to_owned().into_any(),
            3 => PyInt::new(py, value.varint()? as i64).into_any(),
            4 => PyFloat::new(py, f64::from_bits(value.fixed64()?)).into_any(),
            5 => {
                let list = PyList::empty(py);
                for item in items(value)? {
                    list.append(self.value(py, item, deeper)?)?;
                }
                list.into_any()
            }
            6 => {
                let object = PyDict::new(py);
                for item in items(value)? {
                    self.put(&object, item, deeper)?;
                }
                object.into_any()
            }
            7 => PyBytes::new(py, value.bytes()?).into_any(),
            _ => return Err(Failure::Odd),
        })
    }
}

/// Decodes the attributes of spans that were decoded without them.
#[pyclass]
#[derive(Default)]
pub struct AttributeDecoder(Attributes);

#[pymethods]
impl AttributeDecoder {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Of an encoded span, which was found usual before.
    fn of_span<'py>(&mut self, py: Python<'py>, encoded: &[u8]) -> PyResult<Bound<'py, PyDict>> {
        guarded(|| match self.0.of_span(py, encoded) {
            Ok(found) => Ok(found),
            Err(Failure::Odd) => Err(PyValueError::new_err("not the attributes of a span that was decoded")),
            Err(Failure::Python(error)) => Err(error),
        })
    }
}

/// The field of a span that has them.
pub const OF_SPAN: u32 = 9;

/// Whether [`Attributes`] would make an attribute.
pub fn check(encoded: &[u8], depth: u32) -> Read<()> {
    let (_, value) = pair(encoded)?;
    value.map_or(Ok(()), |value| check_value(value, depth))
}

fn check_value(encoded: &[u8], depth: u32) -> Read<()> {
    let deeper = depth.checked_sub(1).ok_or(Odd)?;
    let mut fields = Fields::of(encoded);
    let Some((number, value)) = fields.next_field()? else { return Ok(()) };
    if fields.next_field()?.is_some() {
        return Err(Odd);
    }
    match number {
        1 => value.text().map(drop),
        2 | 3 => value.varint().map(drop),
        4 => value.fixed64().map(drop),
        5 => items(value)?.into_iter().try_for_each(|item| check_value(item, deeper)),
        6 => items(value)?.into_iter().try_for_each(|item| check(item, deeper)),
        7 => value.bytes().map(drop),
        _ => Err(Odd),
    }
}

/// The messages of an `ArrayValue` or a `KeyValueList`.
fn items<'a>(value: Value<'a>) -> Read<Vec<&'a [u8]>> {
    let mut found = Vec::new();
    each(value.bytes()?, |item| {
        found.push(item);
        Ok(())
    })?;
    Ok(found)
}
