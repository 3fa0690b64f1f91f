//! Call graphs and documents of hops as objects of Python.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::graph::{self, About, Graph, Hop, Node, Place, Vocabulary, Words, put_hop};
use crate::keys::{Keys, Slots};
use crate::python::guarded;
use crate::wire::{Odd, Read};

type Object<'py> = Bound<'py, PyAny>;

/// What is asked of a resource: service, instance, host and environment.
#[pyclass(frozen)]
pub struct ResourceNames {
    said: graph::ResourceNames,
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

const SERVICE: usize = 0;
const INSTANCE: usize = 1;
const HOST: usize = 2;
const ENVIRONMENT: usize = 3;

impl ResourceNames {
    fn text<'py>(&self, py: Python<'py>, which: usize) -> Bound<'py, PyString> {
        self.texts[which].bind(py).clone()
    }
}

/// Classes and functions of Python.
struct Makers {
    graph: Py<PyAny>,
    segment: Py<PyAny>,
    hop: Py<PyAny>,
    node: Py<PyAny>,
    kinds: Vec<Py<PyAny>>,
}

/// Functions of Python that are asked about texts.
struct Asked {
    normalised: Py<PyAny>,
    of_proxy: Py<PyAny>,
    host_of: Py<PyAny>,
    server_side: Py<PyAny>,
}

/// Draws call graphs, and remembers texts and nodes.
#[pyclass]
pub struct CallGraphs {
    makers: Makers,
    asked: Asked,
    vocabulary: Vocabulary,
    normalised: Slots<String>,
    texts: Keys,
    nodes: Vec<Slots<Py<PyAny>>>,
}

type Four = (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>);

#[pymethods]
impl CallGraphs {
    /// `makers` are the class `CallGraph` and functions that make a `Segment`, a `Hop` and a `Node` of a tuple. `kinds` are the
    /// members of `NodeKind`; `names` attribute names by what they are for; `systems` and `ports` what is known of database
    /// systems; `asked` the functions `normalised`, `of_proxy`, `host_of` and `server_side_id`.
    #[new]
    fn new(
        makers: Four,
        kinds: Vec<Py<PyAny>>,
        names: Vec<Vec<String>>,
        systems: HashMap<String, String>,
        ports: HashMap<String, String>,
        asked: Four,
    ) -> PyResult<Self> {
        let vocabulary = Vocabulary::of(&names, systems, ports)
            .filter(|_| kinds.len() == graph::KIND_NAMES.len())
            .ok_or_else(|| PyValueError::new_err("these are not the names and kinds that the core knows"))?;
        let nodes = kinds.iter().map(|_| Slots::default()).collect();
        let (graph, segment, hop, node) = makers;
        let (normalised, of_proxy, host_of, server_side) = asked;
        Ok(CallGraphs {
            makers: Makers { graph, segment, hop, node, kinds },
            asked: Asked { normalised, of_proxy, host_of, server_side },
            vocabulary,
            normalised: Slots::default(),
            texts: Keys::default(),
            nodes,
        })
    }

    /// The call graph of a trace, and the documents of its hops as JSON; `None` for a trace that is not usual.
    fn draw<'py>(
        &mut self,
        py: Python<'py>,
        spans: Vec<Bound<'py, PyBytes>>,
        senders: Vec<Bound<'py, ResourceNames>>,
        revision: u64,
        partition: u32,
        width: i64,
    ) -> PyResult<Option<(Object<'py>, Vec<Bound<'py, PyBytes>>)>> {
        guarded(|| {
            if spans.len() != senders.len() || width <= 0 {
                return Err(PyValueError::new_err("a sender for each span, and a width of windows"));
            }
            let of_spans: Vec<(&[u8], &graph::ResourceNames)> =
                spans.iter().zip(&senders).map(|(span, sender)| (span.as_bytes(), &sender.get().said)).collect();
            let CallGraphs { makers, asked, vocabulary, normalised, texts, nodes } = self;
            let mut words = Asking { py, asked, normalised };
            let Ok(graph) = graph::call_graph(&of_spans, vocabulary, &mut words) else { return Ok(None) };
            let mut drawing = Drawing { py, makers, texts, nodes, senders: &senders, operations: Vec::new() };
            drawing.operations = graph.operations.iter().map(|text| drawing.texts.get(py, text)).collect();
            let documents = documents(py, &graph, &of_spans, Place { revision, partition, width });
            Ok(Some((drawing.graph(&graph)?, documents)))
        })
    }
}

fn documents<'py>(
    py: Python<'py>,
    graph: &Graph<'_>,
    spans: &[(&[u8], &graph::ResourceNames)],
    place: Place,
) -> Vec<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(1024);
    let mut found = Vec::with_capacity(graph.hops.len());
    for hop in &graph.hops {
        out.clear();
        let environment = hop.home().map_or("", |home| &spans[home].1.environment);
        let about = About { trace_id: graph.trace_id, operation: &graph.operations[hop.operation], environment, place };
        put_hop(&mut out, hop, &about);
        found.push(PyBytes::new(py, &out));
    }
    found
}

/// Asks Python; an error of it is for the reference, which meets it again.
struct Asking<'a, 'py> {
    py: Python<'py>,
    asked: &'a Asked,
    normalised: &'a mut Slots<String>,
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

/// One trace.
struct Drawing<'a, 'py> {
    py: Python<'py>,
    makers: &'a Makers,
    texts: &'a mut Keys,
    nodes: &'a mut Vec<Slots<Py<PyAny>>>,
    senders: &'a [Bound<'py, ResourceNames>],
    operations: Vec<Bound<'py, PyString>>,
}

impl<'py> Drawing<'_, 'py> {
    fn graph(&mut self, graph: &Graph<'_>) -> PyResult<Object<'py>> {
        let py = self.py;
        let hops = graph.hops.iter().map(|hop| self.hop(graph, hop)).collect::<PyResult<Vec<_>>>()?;
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
        let (root_id, root_service, root_operation) = match graph.root {
            Some((id, sender, operation)) => {
                (id, self.of_sender(sender, SERVICE), self.operations[operation].clone().into_any())
            }
            None => (&b""[..], PyString::new(py, "").into_any(), PyString::new(py, "").into_any()),
        };
        let services = graph.services.iter().map(|&sender| self.of_sender(sender, SERVICE));
        let ids = |ids: &[&[u8]]| PyTuple::new(py, ids.iter().map(|id| PyBytes::new(py, id)));
        let fields: [Object<'py>; 15] = [
            PyBytes::new(py, graph.trace_id).into_any(),
            PyInt::new(py, graph.start).into_any(),
            PyInt::new(py, graph.end).into_any(),
            PyInt::new(py, graph.span_count).into_any(),
            PyBytes::new(py, root_id).into_any(),
            root_service,
            root_operation,
            PyList::new(py, services)?.to_tuple().into_any(),
            PyTuple::new(py, hops)?.into_any(),
            PyTuple::new(py, path)?.into_any(),
            ids(&graph.missing_parents)?.into_any(),
            ids(&graph.orphans)?.into_any(),
            PyInt::new(py, graph.errors).into_any(),
            PyFloat::new(py, graph.completeness).into_any(),
            self.of_sender(graph.environment, ENVIRONMENT),
        ];
        self.makers.graph.bind(py).call1(PyTuple::new(py, fields)?)
    }

    fn of_sender(&self, sender: usize, which: usize) -> Object<'py> {
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
            flag(false), // a link is for the reference
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
