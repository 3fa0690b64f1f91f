//! What a span does, by name: see processors/call_graph/operations.py, which is asked about names with ids in them.

use std::borrow::Cow;

use crate::wire::Read;

use super::span::Span;
use super::vocabulary::{
    DB_COLLECTION, DB_OPERATION, DB_QUERY_SUMMARY, DB_SYSTEM, HTTP_METHOD, HTTP_ROUTE, MESSAGING_SYSTEM, NETWORK_PROTOCOL_NAME,
    RPC_SYSTEM, Said, URL_FULL, URL_TEMPLATE, Vocabulary,
};

/// The shortest text that a UUID without digits could be in.
const UUID: usize = 36;

/// What Python is asked, for the rules are regular expressions, a parser of URLs, or a digest.
pub trait Words {
    /// `normalised`.
    fn normalised(&mut self, name: &str) -> Read<String>;
    /// `of_proxy`.
    fn of_proxy(&mut self, name: &str, method: &str, url: &str) -> Read<String>;
    /// `host_of`.
    fn host(&mut self, url: &str) -> Read<String>;
    /// `server_side_id`.
    fn server_side(&mut self, id: &[u8]) -> Read<Vec<u8>>;
}

/// The operations of a trace, each worked out once.
pub struct Operations {
    pub texts: Vec<String>,
    of_members: Vec<Option<usize>>,
}

impl Operations {
    /// Of so many spans.
    pub fn of(members: usize) -> Self {
        Operations { texts: Vec::new(), of_members: vec![None; members] }
    }

    /// The number of a span's operation.
    pub fn of_span(&mut self, member: usize, span: &Span<'_>, words: &mut dyn Words) -> Read<usize> {
        if let Some(known) = self.of_members[member] {
            return Ok(known);
        }
        self.texts.push(operation_of(span, words)?);
        self.of_members[member] = Some(self.texts.len() - 1);
        Ok(self.texts.len() - 1)
    }
}

fn operation_of(span: &Span<'_>, words: &mut dyn Words) -> Read<String> {
    let said = &span.said;
    let route = first(said, [HTTP_ROUTE, URL_TEMPLATE])?;
    if !route.is_empty() {
        return Ok(joined(&said.text(HTTP_METHOD)?, &route));
    }
    let summary = said.text(DB_QUERY_SUMMARY)?;
    if !summary.is_empty() {
        return Ok(summary.into_owned());
    }
    let collection = said.text(DB_COLLECTION)?;
    if !collection.is_empty() {
        return Ok(joined(&said.text(DB_OPERATION)?, &collection));
    }
    let name = span.name;
    if name == "ingress" || name.starts_with("egress ") {
        return words.of_proxy(name, &said.text(HTTP_METHOD)?, &said.text(URL_FULL)?);
    }
    if name.bytes().any(|byte| byte.is_ascii_digit() || byte == b'?' || (byte == b'-' && name.len() >= UUID)) {
        return words.normalised(name);
    }
    Ok(name.to_owned())
}

fn joined(verb: &str, object: &str) -> String {
    if verb.is_empty() { object.to_owned() } else { format!("{verb} {object}") }
}

fn first<'a>(said: &Said<'a>, slots: [u8; 2]) -> Read<Cow<'a, str>> {
    let text = said.text(slots[0])?;
    if text.is_empty() { said.text(slots[1]) } else { Ok(text) }
}

/// The protocol of a call; empty where it is not known.
pub fn protocol_of<'a>(said: &Said<'a>, vocabulary: &'a Vocabulary) -> Read<Cow<'a, str>> {
    let mut system = first(said, [RPC_SYSTEM, MESSAGING_SYSTEM])?;
    if system.is_empty() {
        system = database_system(said, vocabulary)?;
    }
    if !system.is_empty() {
        return Ok(system);
    }
    if said.text(HTTP_METHOD)?.is_empty() { said.text(NETWORK_PROTOCOL_NAME) } else { Ok(Cow::Borrowed("http")) }
}

/// The database system that a span uses, by today's name.
pub fn database_system<'a>(said: &Said<'a>, vocabulary: &'a Vocabulary) -> Read<Cow<'a, str>> {
    let system = said.text(DB_SYSTEM)?;
    Ok(match vocabulary.systems.get(&*system) {
        Some(today) => Cow::Borrowed(today),
        None => system,
    })
}
