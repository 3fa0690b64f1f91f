//! Nodes, hops and pieces of critical paths as objects of Python, for whoever looks at them one by one.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};

use crate::graph::{Graph, Hop, Node};
use crate::keys::{Keys, Slots};
use crate::senders::{ENVIRONMENT, HOST, INSTANCE, ResourceNames, SERVICE};

/// Any object.
pub type Object<'py> = Bound<'py, PyAny>;

/// Classes and functions of Python.
pub struct Makers {
    /// The class `CallGraph`.
    pub graph: Py<PyAny>,
    /// A `Segment` of a tuple.
    pub segment: Py<PyAny>,
    /// A `Hop` of a tuple.
    pub hop: Py<PyAny>,
    /// A `Node` of a tuple.
    pub node: Py<PyAny>,
    /// The members of `NodeKind`.
    pub kinds: Vec<Py<PyAny>>,
}

/// One trace.
pub struct Objects<'a, 'py> {
    /// The interpreter.
    pub py: Python<'py>,
    /// What makes them.
    pub makers: &'a Makers,
    /// Texts that were made before.
    pub texts: &'a mut Keys,
    /// Nodes that were made before, by kind.
    pub nodes: &'a mut Vec<Slots<Py<PyAny>>>,
    /// Who sent the spans.
    pub senders: &'a [Bound<'py, ResourceNames>],
    /// The texts of the graph's operations.
    pub operations: Vec<Bound<'py, PyString>>,
}

impl<'py> Objects<'_, 'py> {
    /// The hops.
    pub fn hops(&mut self, graph: &Graph<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let hops = graph.hops.iter().map(|hop| self.hop(graph, hop)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(self.py, hops)
    }

    /// The critical path.
    pub fn path(&self, graph: &Graph<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let py = self.py;
        let mut path = Vec::with_capacity(graph.critical_path.len());
        for segment in &graph.critical_path {
            let fields: [Object<'py>; 5] = [
                PyBytes::new(py, segment.span_id).into_any(),
                self.of_sender(segment.sender, SERVICE),
                self.operations[segment.operation].clone().into_any(),
                PyInt::new(py, segment.start).into_any(),
                PyInt::new(py, segment.end).into_any(),
            ];
            path.push(self.makers.segment.bind(py).call1((PyTuple::new(py, fields)?,))?);
        }
        PyTuple::new(py, path)
    }

    /// A text of who sent a span.
    pub fn of_sender(&self, sender: usize, which: usize) -> Object<'py> {
        self.senders[sender].get().text(self.py, which).into_any()
    }

    fn node(&mut self, node: &Node<'_>) -> PyResult<Object<'py>> {
        let (py, kind) = (self.py, node.kind as usize);
        let make = || Ok(self.makers.node.bind(py).call1(((&self.makers.kinds[kind], &*node.name),))?.unbind());
        let made: PyResult<Py<PyAny>> = self.nodes[kind].get(&node.name, make, |known| known.clone_ref(py));
        Ok(made?.into_bound(py))
    }

    fn hop(&mut self, graph: &Graph<'_>, hop: &Hop<'_>) -> PyResult<Object<'py>> {
        let py = self.py;
        let none = || py.None().into_bound(py);
        let optional = |number: Option<i64>| number.map_or_else(none, |number| PyInt::new(py, number).into_any());
        let flag = |value: bool| PyBool::new(py, value).to_owned().into_any();
        let source = hop.source.map(|(sender, _)| sender);
        let server = hop.server.map(|(sender, _)| sender);
        let nothing = self.texts.get(py, "").into_any();
        let of = |side: Option<usize>, which| side.map_or_else(|| nothing.clone(), |side| self.of_sender(side, which));
        let sides = [of(source, INSTANCE), of(server, INSTANCE), of(source, HOST), of(server, HOST)];
        let environment = of(hop.home(), ENVIRONMENT);
        let [caller_instance, callee_instance, caller_host, callee_host] = sides;
        let id: Vec<u8> = hop.id.bytes().collect();
        let fields: [Object<'py>; 29] = [
            PyBytes::new(py, graph.trace_id).into_any(),
            PyBytes::new(py, &id).into_any(),
            self.node(&hop.caller)?,
            self.node(&hop.callee)?,
            self.operations[hop.operation].clone().into_any(),
            self.texts.get(py, &hop.protocol).into_any(),
            PyInt::new(py, hop.start).into_any(),
            PyInt::new(py, hop.end).into_any(),
            PyBytes::new(py, hop.client_span_id).into_any(),
            PyBytes::new(py, hop.server_span_id).into_any(),
            optional(hop.client_duration),
            optional(hop.server_duration),
            optional(hop.gap),
            optional(hop.occupancy.map(|parts| parts.0)),
            optional(hop.queue_wait),
            optional(hop.occupancy.map(|parts| parts.1)),
            optional(hop.occupancy.map(|parts| parts.2)),
            PyInt::new(py, hop.critical_path_time).into_any(),
            PyFloat::new(py, hop.critical_path_share).into_any(),
            optional(hop.skew),
            flag(hop.failed),
            flag(hop.is_inferred),
            flag(hop.is_linked),
            caller_instance,
            callee_instance,
            optional(hop.server_start),
            caller_host,
            callee_host,
            environment,
        ];
        self.makers.hop.bind(py).call1((PyTuple::new(py, fields)?,))
    }
}
