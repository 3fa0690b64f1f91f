//! Call graphs as objects of Python, and the documents of traces and hops.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::asking::{Asked, Asking};
use crate::counted::CountedHops;
use crate::counting::CountedTrace;
use crate::graph::{self, About, Graph, Place, Vocabulary, put_hop, put_trace};
use crate::keys::{Keys, Slots};
use crate::objects::{Makers, Object, Objects};
use crate::python::guarded;
use crate::senders::{ENVIRONMENT, ResourceNames, SERVICE};

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
type Encoded<'py> = Vec<Bound<'py, PyBytes>>;
type Senders<'py> = Vec<Bound<'py, ResourceNames>>;

/// A call graph, the document of the trace without its last members, those of the hops, each with what is known of it, and the
/// hops to be counted.
type Drawn<'py> = (Object<'py>, Bound<'py, PyBytes>, Vec<Bound<'py, PyTuple>>, CountedTrace);

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

    /// The call graph of a trace with `later` as its hops and critical path, the document of the trace, those of its hops, and
    /// these to be counted; `None` for a trace that is not usual.
    fn draw<'py>(
        &mut self,
        py: Python<'py>,
        spans: Encoded<'py>,
        senders: Senders<'py>,
        place: (u64, u32, i64),
        later: (Object<'py>, Object<'py>),
    ) -> PyResult<Option<Drawn<'py>>> {
        guarded(|| {
            let (revision, partition, width) = place;
            if width <= 0 {
                return Err(PyValueError::new_err("a width of windows"));
            }
            let place = Place { revision, partition, width };
            self.drawn(py, &spans, &senders, |graph, of_spans, objects| {
                let Ok(counted) = CountedHops::of(graph, of_spans, place) else { return Ok(None) };
                let mut trace = Vec::with_capacity(2048);
                put_trace(&mut trace, graph, of_spans, revision);
                let hops = documents(objects, graph, of_spans, place)?;
                let made = call_graph(objects, graph, later)?;
                Ok(Some((made, PyBytes::new(py, &trace), hops, CountedTrace::of(counted))))
            })
        })
    }

    /// The hops and the critical path of a trace that was drawn before.
    fn objects<'py>(
        &mut self,
        py: Python<'py>,
        spans: Encoded<'py>,
        senders: Senders<'py>,
    ) -> PyResult<Option<(Bound<'py, PyTuple>, Bound<'py, PyTuple>)>> {
        guarded(|| self.drawn(py, &spans, &senders, |graph, _, objects| Ok(Some((objects.hops(graph)?, objects.path(graph)?)))))
    }
}

type OfSpans<'a> = [(&'a [u8], &'a graph::ResourceNames)];

impl CallGraphs {
    /// What is made of a call graph; `None` for a trace that is not usual.
    fn drawn<'py, T>(
        &mut self,
        py: Python<'py>,
        spans: &[Bound<'py, PyBytes>],
        senders: &[Bound<'py, ResourceNames>],
        make: impl FnOnce(&Graph<'_>, &OfSpans<'_>, &mut Objects<'_, 'py>) -> PyResult<Option<T>>,
    ) -> PyResult<Option<T>> {
        if spans.len() != senders.len() {
            return Err(PyValueError::new_err("a sender for each span"));
        }
        let of_spans: Vec<(&[u8], &graph::ResourceNames)> =
            spans.iter().zip(senders).map(|(span, sender)| (span.as_bytes(), &sender.get().said)).collect();
        let CallGraphs { makers, asked, vocabulary, normalised, texts, nodes } = self;
        let mut words = Asking { py, asked, normalised };
        let Ok(graph) = graph::call_graph(&of_spans, vocabulary, &mut words) else { return Ok(None) };
        let operations = graph.operations.iter().map(|text| texts.get(py, text)).collect();
        make(&graph, &of_spans, &mut Objects { py, makers, texts, nodes, senders, operations })
    }
}

fn call_graph<'py>(
    objects: &Objects<'_, 'py>,
    graph: &Graph<'_>,
    (hops, path): (Object<'py>, Object<'py>),
) -> PyResult<Object<'py>> {
    let py = objects.py;
    let (root_id, root_service, root_operation) = match graph.root {
        Some((id, sender, operation)) => {
            (id, objects.of_sender(sender, SERVICE), objects.operations[operation].clone().into_any())
        }
        None => (&b""[..], PyString::new(py, "").into_any(), PyString::new(py, "").into_any()),
    };
    let services = graph.services.iter().map(|&sender| objects.of_sender(sender, SERVICE));
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
        hops,
        path,
        ids(&graph.missing_parents)?.into_any(),
        ids(&graph.orphans)?.into_any(),
        PyInt::new(py, graph.errors).into_any(),
        PyFloat::new(py, graph.completeness).into_any(),
        objects.of_sender(graph.environment, ENVIRONMENT),
    ];
    objects.makers.graph.bind(py).call1(PyTuple::new(py, fields)?)
}

/// Of each hop its document as JSON, and what stores ask of it: id, start, environment, names of caller and callee, operation,
/// duration, and whether it failed.
fn documents<'py>(
    objects: &mut Objects<'_, 'py>,
    graph: &Graph<'_>,
    spans: &OfSpans<'_>,
    place: Place,
) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let py = objects.py;
    let mut out = Vec::with_capacity(1024);
    let mut found = Vec::with_capacity(graph.hops.len());
    for hop in &graph.hops {
        out.clear();
        let (environment, about_environment) = match hop.home() {
            Some(home) => (spans[home].1.environment.as_str(), objects.of_sender(home, ENVIRONMENT)),
            None => ("", objects.texts.get(py, "").into_any()),
        };
        let about = About { trace_id: graph.trace_id, operation: &graph.operations[hop.operation], environment, place };
        put_hop(&mut out, hop, &about);
        let fields: [Object<'py>; 9] = [
            PyBytes::new(py, &out).into_any(),
            PyString::new(py, &about.document_id(hop)).into_any(),
            PyInt::new(py, hop.start).into_any(),
            about_environment,
            objects.texts.get(py, &hop.caller.name).into_any(),
            objects.texts.get(py, &hop.callee.name).into_any(),
            objects.operations[hop.operation].clone().into_any(),
            PyInt::new(py, hop.duration()).into_any(),
            PyBool::new(py, hop.failed).to_owned().into_any(),
        ];
        found.push(PyTuple::new(py, fields)?);
    }
    Ok(found)
}
