//! Which spans of a trace are the two sides of a call: see processors/call_graph/calls.py. Decisions that a span is of no call
//! are not made here, for nobody asks the core why.

use crate::wire::Read;

use super::exits::Exits;
use super::operations::Words;
use super::peers::{Node, queue_of};
use super::span::Role;
use super::tree::Tree;
use super::vocabulary::Vocabulary;

/// A call: spans are numbers.
pub struct Call<'a> {
    /// Whose decision it is.
    pub span: usize,
    pub source: Option<usize>,
    pub client: Option<usize>,
    pub server: Option<usize>,
    /// The side that sends no spans.
    pub peer: Option<Node<'a>>,
    /// From a change of service.
    pub is_inferred: bool,
}

/// The calls of a trace; those to peers come last.
pub fn calls_of<'a>(tree: &Tree<'a>, vocabulary: &'a Vocabulary, words: &mut dyn Words) -> Read<Vec<Call<'a>>> {
    let mut calls = Vec::with_capacity(tree.members.len());
    let mut exits = Vec::new();
    for &member in &tree.order {
        let role = tree.members[member].role;
        if role.is_exit() {
            exits.push(member);
        }
        let found = match role {
            Role::Server => server(tree, member),
            Role::Consumer => Some(match consumer(tree, member) {
                Consumed::Call(call) => call,
                Consumed::SameMessage => continue,
                Consumed::FromQueue => from_peer(member, queue_of(&tree.members[member].said)?),
            }),
            _ => changed(tree, member),
        };
        calls.extend(found);
    }
    if !exits.is_empty() {
        let mut answered = vec![false; tree.members.len()];
        for client in calls.iter().filter_map(|call| call.client) {
            answered[client] = true;
        }
        calls.extend(Exits::of(tree, exits, answered, words)?.calls(vocabulary, words)?);
    }
    Ok(calls)
}

fn between(span: usize, source: usize, client: Option<usize>) -> Call<'static> {
    Call { span, source: Some(source), client, server: Some(span), peer: None, is_inferred: false }
}

fn from_peer(span: usize, peer: Node<'_>) -> Call<'_> {
    Call { span, source: None, client: None, server: Some(span), peer: Some(peer), is_inferred: false }
}

fn server(tree: &Tree<'_>, member: usize) -> Option<Call<'static>> {
    let span = &tree.members[member];
    if span.parent.is_none() {
        let is_orphan = !span.parent_id.is_empty() && span.parent_id != span.span_id;
        return Some(from_peer(member, if is_orphan { Node::unknown() } else { Node::user() }));
    }
    match span.client {
        Some(client) => Some(between(member, client, Some(client))),
        None => changed(tree, member),
    }
}

enum Consumed {
    Call(Call<'static>),
    SameMessage,
    FromQueue,
}

fn consumer(tree: &Tree<'_>, member: usize) -> Consumed {
    let span = &tree.members[member];
    if let Some(producer) = span.client {
        return Consumed::Call(between(member, producer, Some(producer)));
    }
    if let Some(call) = changed(tree, member) {
        return Consumed::Call(call);
    }
    match span.parent {
        Some(parent) if tree.members[parent].role == Role::Consumer => Consumed::SameMessage,
        _ => Consumed::FromQueue,
    }
}

/// The call into a span whose parent is of another service.
fn changed(tree: &Tree<'_>, member: usize) -> Option<Call<'static>> {
    let span = &tree.members[member];
    let parent = span.parent.filter(|&parent| tree.members[parent].service() != span.service())?;
    let client = span.client.or_else(|| wraps_only(tree, parent).then_some(parent));
    Some(Call { is_inferred: true, ..between(member, client.unwrap_or(parent), client) })
}

/// Whether a span around one single call stands for its client.
fn wraps_only(tree: &Tree<'_>, parent: usize) -> bool {
    let span = &tree.members[parent];
    span.children.len() == 1
        && span.parent.is_some_and(|above| tree.members[above].service() == span.service())
        && span.role != Role::Consumer
}
