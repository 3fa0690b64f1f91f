//! Which spans of a trace are the two sides of a call: see processors/call_graph/calls.py. Decisions that a span is of no call
//! are not made here, for nobody asks the core why.

use crate::wire::Read;

use super::exits::Exits;
use super::operations::Words;
use super::peers::{Node, queue_of};
use super::span::{Link, Role};
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
    /// By which its message is known.
    pub link: Option<Link<'a>>,
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
            Role::Consumer => {
                calls.extend(consumer(tree, member)?);
                continue;
            }
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
    Call { span, source: Some(source), client, server: Some(span), peer: None, is_inferred: false, link: None }
}

fn from_peer(span: usize, peer: Node<'_>) -> Call<'_> {
    Call { span, source: None, client: None, server: Some(span), peer: Some(peer), is_inferred: false, link: None }
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

/// The messages that a span receives.
fn consumer<'a>(tree: &Tree<'a>, member: usize) -> Read<Vec<Call<'a>>> {
    let span = &tree.members[member];
    let above = match span.client {
        Some(producer) => Some(between(member, producer, Some(producer))),
        None => changed(tree, member),
    };
    let mut found: Vec<Call<'a>> = above.into_iter().collect();
    let mut links: Vec<Link<'a>> = span.links.iter().copied().filter(|link| span.names_other(link)).collect();
    let has_links = !links.is_empty();
    links.sort_unstable();
    links.dedup();
    let counted = counted_elsewhere(tree, member);
    for link in links.into_iter().filter(|link| !counted.contains(link)) {
        let source = (link.0 == tree.trace_id).then(|| tree.find(link.1)).flatten();
        found.push(match source {
            Some(source) => {
                let client = tree.members[source].role.is_exit().then_some(source);
                Call { link: Some(link), ..between(member, source, client) }
            }
            None => Call { link: Some(link), ..from_peer(member, queue_of(&span.said)?) },
        });
    }
    let is_within_message = span.parent.is_some_and(|parent| tree.members[parent].role == Role::Consumer);
    if found.is_empty() && !is_within_message && !has_links {
        found.push(from_peer(member, queue_of(&span.said)?));
    }
    Ok(found)
}

/// Linked messages for which the producer above a span stands, or a consumer span below it.
fn counted_elsewhere<'a>(tree: &Tree<'a>, member: usize) -> Vec<Link<'a>> {
    let span = &tree.members[member];
    if span.links.is_empty() {
        return Vec::new();
    }
    let above = [span.parent, span.client].into_iter().flatten();
    let mut found: Vec<Link<'a>> = above.map(|above| (tree.trace_id, tree.members[above].span_id)).collect();
    if let Some(client) = span.client {
        found.extend(&tree.members[client].links); // it sent what these have created
    }
    for child in span.children.iter().map(|&child| &tree.members[child]) {
        if child.service() == span.service() && child.role == Role::Consumer {
            found.extend(&child.links);
        }
    }
    found
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
