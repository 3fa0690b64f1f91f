//! The document of a hop as JSON: `hop_document` of telemetry/documents/kinds.py.

use crate::json::{put_hex_text, put_integer, put_text};

use super::hops::Hop;
use super::peers::{KIND_NAMES, Node};
use super::span::ResourceNames;

/// Where a hop is stored and counted.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Of the trace.
    pub revision: u64,
    /// That counts it.
    pub partition: u32,
    /// Nanoseconds of a window, more than 0.
    pub width: i64,
}

/// What a document names of a hop beside what the hop has.
pub struct About<'a> {
    /// Of the trace.
    pub trace_id: &'a [u8],
    /// Its name.
    pub operation: &'a str,
    /// Its name.
    pub environment: &'a str,
    /// Where it is stored.
    pub place: Place,
}

impl About<'_> {
    /// The id of a hop's document.
    pub fn document_id(&self, hop: &Hop<'_>) -> String {
        let mut id = Vec::with_capacity(72);
        put_hex(&mut id, self.trace_id.iter().copied().chain(hop.id.bytes()));
        id.push(b'.');
        put_integer(&mut id, self.place.revision);
        String::from_utf8_lossy(&id).into_owned()
    }
}

/// Writes a document.
pub fn put_hop(out: &mut Vec<u8>, hop: &Hop<'_>, about: &About<'_>) {
    out.extend_from_slice(b"{\"id\":\"");
    put_hex(out, about.trace_id.iter().copied().chain(hop.id.bytes()));
    out.extend_from_slice(b"\",\"revision\":");
    put_integer(out, about.place.revision);
    put_hex_member(out, "trace_id", about.trace_id);
    put_member(out, "partition", i64::from(about.place.partition));
    put_member(out, "window", hop.start - hop.start % about.place.width);
    put_text_member(out, "environment", about.environment);
    put_node(out, "caller", &hop.caller, hop.source.map(|(_, sender)| sender));
    put_node(out, "callee", &hop.callee, hop.server.map(|(_, sender)| sender));
    put_text_member(out, "operation", about.operation);
    put_text_member(out, "protocol", &hop.protocol);
    put_member(out, "start", hop.start);
    put_member(out, "end", hop.end);
    put_member(out, "duration", hop.duration());
    put_hex_member(out, "client_span_id", hop.client_span_id);
    put_hex_member(out, "server_span_id", hop.server_span_id);
    put_optional(out, "client_duration", hop.client_duration);
    put_optional(out, "server_duration", hop.server_duration);
    put_optional(out, "gap", hop.gap);
    put_optional(out, "self_time", hop.occupancy.map(|parts| parts.0));
    put_optional(out, "queue_wait", hop.queue_wait);
    put_optional(out, "blocked_sequential", hop.occupancy.map(|parts| parts.1));
    put_optional(out, "blocked_parallel", hop.occupancy.map(|parts| parts.2));
    put_member(out, "critical_path_time", hop.critical_path_time);
    put_name(out, "critical_path_share");
    out.extend_from_slice(zmij::Buffer::new().format_finite(hop.critical_path_share).as_bytes());
    put_optional(out, "skew", hop.skew);
    for (name, value) in [("failed", hop.failed), ("inferred", hop.is_inferred), ("link", hop.is_linked)] {
        put_name(out, name);
        out.extend_from_slice(if value { b"true" } else { b"false" });
    }
    put_optional(out, "server_start", hop.server_start);
    out.push(b'}');
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn put_member(out: &mut Vec<u8>, name: &str, number: i64) {
    put_name(out, name);
    put_integer(out, number);
}

fn put_optional(out: &mut Vec<u8>, name: &str, number: Option<i64>) {
    put_name(out, name);
    match number {
        Some(number) => put_integer(out, number),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_text_member(out: &mut Vec<u8>, name: &str, text: &str) {
    put_name(out, name);
    put_text(out, text);
}

fn put_hex_member(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    put_name(out, name);
    put_hex_text(out, bytes);
}

fn put_hex(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

fn put_node(out: &mut Vec<u8>, name: &str, node: &Node<'_>, sender: Option<&ResourceNames>) {
    put_name(out, name);
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(KIND_NAMES[node.kind as usize].as_bytes());
    out.push(b'"');
    put_text_member(out, "name", &node.name);
    put_text_member(out, "instance", sender.map_or("", |sender| &sender.instance));
    put_text_member(out, "host", sender.map_or("", |sender| &sender.host));
    out.push(b'}');
}
