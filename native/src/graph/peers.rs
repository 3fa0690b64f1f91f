//! The other side of a call that sends no spans itself: see processors/call_graph/peers.py.

use std::borrow::Cow;

use crate::wire::Read;

use super::operations::{Words, database_system};
use super::vocabulary::{
    DB_NAMESPACE, DB_SYSTEM, MESSAGING_DESTINATION, MESSAGING_DESTINATION_ANONYMOUS, MESSAGING_DESTINATION_TEMPLATE,
    MESSAGING_DESTINATION_TEMPORARY, MESSAGING_SYSTEM, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT, SERVER_ADDRESS, SERVER_PORT,
    SERVICE_PEER_NAME, SERVICE_PEER_NAMESPACE, Said, URL_FULL, Vocabulary,
};

/// What a node is, in the order of `NodeKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// It sends spans.
    Service,
    /// Known from its callers.
    Database,
    /// A queue or a topic.
    Queue,
    /// A server that is none of these.
    External,
    /// Who calls a root.
    User,
    /// Nothing is known of it.
    Unknown,
}

/// As documents name them.
pub const KIND_NAMES: [&str; 6] = ["service", "database", "queue", "external", "user", "unknown"];

/// One end of a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'a> {
    /// What it is.
    pub kind: NodeKind,
    /// What it is called.
    pub name: Cow<'a, str>,
}

impl<'a> Node<'a> {
    /// The node of a service.
    pub fn service(name: impl Into<Cow<'a, str>>) -> Self {
        Node { kind: NodeKind::Service, name: name.into() }
    }

    /// Who calls a root server span.
    pub fn user() -> Self {
        Node { kind: NodeKind::User, name: Cow::Borrowed("user") }
    }

    /// The side of which nothing is known.
    pub fn unknown() -> Self {
        Node { kind: NodeKind::Unknown, name: Cow::Borrowed("unknown") }
    }
}

/// Whether a span says that it uses a database or a queue.
pub fn names_resource(said: &Said<'_>) -> Read<bool> {
    Ok(!said.text(DB_SYSTEM)?.is_empty() || !said.text(MESSAGING_SYSTEM)?.is_empty())
}

/// The node that a client or producer span calls.
pub fn peer_of<'a>(said: &Said<'a>, vocabulary: &'a Vocabulary, words: &mut dyn Words) -> Read<Node<'a>> {
    if !said.text(DB_SYSTEM)?.is_empty() {
        return database(said, vocabulary, words);
    }
    if !said.text(MESSAGING_SYSTEM)?.is_empty() {
        return queue_of(said);
    }
    let peer = said.text(SERVICE_PEER_NAME)?;
    if !peer.is_empty() {
        let namespace = said.text(SERVICE_PEER_NAMESPACE)?;
        let is_within = peer.strip_prefix(&*namespace).is_some_and(|rest| rest.starts_with('/'));
        return Ok(Node::service(if namespace.is_empty() || is_within { peer } else { format!("{namespace}/{peer}").into() }));
    }
    let address = address_of(said, words)?;
    Ok(if address.is_empty() { Node::unknown() } else { Node { kind: NodeKind::External, name: address } })
}

/// The queue or topic that a messaging span writes or reads.
pub fn queue_of<'a>(said: &Said<'a>) -> Read<Node<'a>> {
    let system = said.text(MESSAGING_SYSTEM)?;
    let name = if said.text(MESSAGING_DESTINATION_TEMPORARY)? == "True" {
        Cow::Borrowed("(temporary)")
    } else if said.text(MESSAGING_DESTINATION_ANONYMOUS)? == "True" {
        Cow::Borrowed("(anonymous)")
    } else {
        let template = said.text(MESSAGING_DESTINATION_TEMPLATE)?;
        if template.is_empty() { said.text(MESSAGING_DESTINATION)? } else { template }
    };
    let name = resource_name(system, "", name);
    Ok(Node { kind: NodeKind::Queue, name: if name.is_empty() { Cow::Borrowed("unknown") } else { name } })
}

fn database<'a>(said: &Said<'a>, vocabulary: &'a Vocabulary, words: &mut dyn Words) -> Read<Node<'a>> {
    let (system, name) = (database_system(said, vocabulary)?, said.text(DB_NAMESPACE)?);
    let port = vocabulary.ports.get(&*system).map_or("", String::as_str);
    let mut server = server(said, port, words)?;
    if name.is_empty() && server.is_empty() {
        server = peer_address(said, port)?;
    }
    let peer = said.text(SERVICE_PEER_NAME)?;
    Ok(Node { kind: NodeKind::Database, name: if peer.is_empty() { resource_name(system, &server, name) } else { peer } })
}

fn resource_name<'a>(system: Cow<'a, str>, server: &str, name: Cow<'a, str>) -> Cow<'a, str> {
    match (server.is_empty(), system.is_empty(), name.is_empty()) {
        (false, _, false) => format!("{system}://{server}/{name}").into(),
        (false, _, true) => format!("{system}://{server}").into(),
        (true, false, false) => format!("{system}:{name}").into(),
        (true, false, true) => system,
        (true, true, _) => name,
    }
}

/// The server that a client span names, with its port where that is not the protocol's own; empty where it names none.
pub fn address_of<'a>(said: &Said<'a>, words: &mut dyn Words) -> Read<Cow<'a, str>> {
    let server = server(said, "", words)?;
    if server.is_empty() { peer_address(said, "") } else { Ok(server) }
}

fn server<'a>(said: &Said<'a>, default_port: &str, words: &mut dyn Words) -> Read<Cow<'a, str>> {
    let mut host = said.text(SERVER_ADDRESS)?;
    if host.is_empty() {
        let url = said.text(URL_FULL)?;
        host = if url.is_empty() { url } else { words.host(&url)?.into() };
    }
    Ok(with_port(host, &said.text(SERVER_PORT)?, default_port))
}

fn peer_address<'a>(said: &Said<'a>, default_port: &str) -> Read<Cow<'a, str>> {
    let mut port = said.text(SERVER_PORT)?;
    if port.is_empty() {
        port = said.text(NETWORK_PEER_PORT)?;
    }
    Ok(with_port(said.text(NETWORK_PEER_ADDRESS)?, &port, default_port))
}

fn with_port<'a>(mut host: Cow<'a, str>, port: &str, default_port: &str) -> Cow<'a, str> {
    let ends_with = |host: &str, port: &str| host.strip_suffix(port).is_some_and(|rest| rest.ends_with(':'));
    if !default_port.is_empty() && host.matches(':').count() == 1 && ends_with(&host, default_port) {
        host = host[..host.len() - default_port.len() - 1].to_owned().into();
    }
    if host.is_empty() || ["", "80", "443", default_port].contains(&port) || ends_with(&host, port) {
        return host;
    }
    if host.contains(':') { format!("[{host}]:{port}").into() } else { format!("{host}:{port}").into() }
}
