//! The document of a trace as JSON: `trace_document` of telemetry/documents/kinds.py.

use crate::json::{put_hex_text, put_integer, put_text};

use super::{Graph, ResourceNames};

/// Writes a document without what is known of logs, which comes last, and without the brace that ends it.
pub fn put_trace(out: &mut Vec<u8>, graph: &Graph<'_>, spans: &[(&[u8], &ResourceNames)], revision: u64) {
    let service = |sender: usize| spans[sender].1.service.as_str();
    let (root_id, root_service, root_operation) = match graph.root {
        Some((id, sender, operation)) => (id, service(sender), graph.operations[operation].as_str()),
        None => (&b""[..], "", ""),
    };
    let name = |out: &mut Vec<u8>, name: &str| out.extend_from_slice(name.as_bytes());
    name(out, "{\"id\":");
    put_hex_text(out, graph.trace_id);
    name(out, ",\"revision\":");
    put_integer(out, revision);
    name(out, ",\"trace_id\":");
    put_hex_text(out, graph.trace_id);
    name(out, ",\"environment\":");
    put_text(out, &spans[graph.environment].1.environment);
    name(out, ",\"start\":");
    put_integer(out, graph.start);
    name(out, ",\"duration\":");
    put_integer(out, (graph.end - graph.start).max(0));
    name(out, ",\"span_count\":");
    put_integer(out, graph.span_count);
    name(out, ",\"root\":{\"span_id\":");
    put_hex_text(out, root_id);
    name(out, ",\"service\":");
    put_text(out, root_service);
    name(out, ",\"operation\":");
    put_text(out, root_operation);
    name(out, "},\"services\":");
    put_list(out, &graph.services, |out, &sender| put_text(out, service(sender)));
    name(out, ",\"errors\":");
    put_integer(out, graph.errors);
    name(out, ",\"completeness\":");
    name(out, zmij::Buffer::new().format_finite(graph.completeness));
    name(out, ",\"missing_parents\":");
    put_list(out, &graph.missing_parents, |out, id| put_hex_text(out, id));
    name(out, ",\"orphans\":");
    put_list(out, &graph.orphans, |out, id| put_hex_text(out, id));
    name(out, ",\"critical_path\":");
    put_list(out, &graph.critical_path, |out, segment| {
        name(out, "{\"span_id\":");
        put_hex_text(out, segment.span_id);
        name(out, ",\"service\":");
        put_text(out, service(segment.sender));
        name(out, ",\"operation\":");
        put_text(out, &graph.operations[segment.operation]);
        name(out, ",\"start\":");
        put_integer(out, segment.start);
        name(out, ",\"duration\":");
        put_integer(out, segment.end - segment.start);
        out.push(b'}');
    });
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        put(out, item);
    }
    out.push(b']');
}
