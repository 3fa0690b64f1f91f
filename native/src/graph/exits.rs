//! Client and producer spans that nothing below answers: `_Exits` of processors/call_graph/calls.py.

use crate::wire::Read;

use super::calls::Call;
use super::operations::Words;
use super::peers::{address_of, names_resource, peer_of};
use super::tree::Tree;
use super::vocabulary::Vocabulary;

/// The client and producer spans of a trace, parents first.
pub struct Exits<'t, 'a> {
    tree: &'t Tree<'a>,
    exits: Vec<usize>,
    /// A span below answers it.
    answered: Vec<bool>,
    /// The span around it that is the same call.
    outer: Vec<Option<usize>>,
    /// There is one within it.
    wraps: Vec<bool>,
    /// One within it is answered, or around one that is.
    carries: Vec<bool>,
    /// The spans that created the messages which a span sends, of spans that have such.
    created: Vec<(usize, Vec<usize>)>,
    /// It created a message that another span sends, and that nobody received.
    sent: Vec<bool>,
}

impl<'t, 'a> Exits<'t, 'a> {
    /// `answered` are those that a span below them answers.
    pub fn of(tree: &'t Tree<'a>, exits: Vec<usize>, answered: Vec<bool>, words: &mut dyn Words) -> Read<Self> {
        let mut outer = vec![None; tree.members.len()];
        let (mut wraps, mut carries) = (vec![false; outer.len()], vec![false; outer.len()]);
        for &member in &exits {
            outer[member] = around(tree, member, words)?;
            if let Some(client) = outer[member] {
                wraps[client] = true;
            }
        }
        for &member in exits.iter().rev() {
            if let Some(client) = outer[member].filter(|_| answered[member] || carries[member]) {
                carries[client] = true;
            }
        }
        let sent = vec![false; outer.len()];
        let mut found = Exits { tree, exits, answered, outer, wraps, carries, created: Vec::new(), sent };
        found.find_created()?;
        Ok(found)
    }

    fn find_created(&mut self) -> Read<()> {
        for &member in self.exits.iter().filter(|&&member| !self.tree.members[member].links.is_empty()) {
            let created = created(self.tree, member)?;
            if !created.is_empty() {
                self.created.push((member, created));
            }
        }
        for (_, messages) in &self.created {
            if !self.are_received(messages) {
                for &message in messages {
                    self.sent[message] = true;
                }
            }
        }
        Ok(())
    }

    fn are_received(&self, messages: &[usize]) -> bool {
        messages.iter().all(|&message| self.answered[message] || self.carries[message])
    }

    /// The calls that they make to what sends no spans.
    pub fn calls(&self, vocabulary: &'a Vocabulary, words: &mut dyn Words) -> Read<Vec<Call<'a>>> {
        let mut is_resource = vec![false; self.outer.len()]; // what is within such a call belongs to it
        let mut calls = Vec::new();
        for &member in &self.exits {
            if self.answered[member] {
                continue;
            }
            if self.outer[member].is_some_and(|outer| is_resource[outer]) {
                is_resource[member] = true;
                continue;
            }
            let said = &self.tree.members[member].said;
            let uses_resource = names_resource(said)?;
            if self.wraps[member] && (!uses_resource || self.carries[member]) {
                continue;
            }
            let sends = self.created.iter().find(|(own, _)| *own == member);
            if self.sent[member] || sends.is_some_and(|(_, messages)| self.are_received(messages)) {
                continue;
            }
            is_resource[member] = uses_resource;
            let (own, peer) = (Some(member), Some(peer_of(said, vocabulary, words)?));
            calls.push(Call { span: member, source: own, client: own, server: None, peer, is_inferred: false, link: None });
        }
        Ok(calls)
    }
}

/// The client span around another one of its service: both are one call.
fn around(tree: &Tree<'_>, member: usize, words: &mut dyn Words) -> Read<Option<usize>> {
    let span = &tree.members[member];
    let Some(client) = span.client.filter(|&client| tree.members[client].service() == span.service()) else {
        return Ok(None);
    };
    if span.parent != Some(client) {
        let (outside, inside) = (address_of(&tree.members[client].said, words)?, address_of(&span.said, words)?);
        if !outside.is_empty() && !inside.is_empty() && outside != inside {
            return Ok(None);
        }
    }
    Ok(Some(client))
}

/// The spans that created the messages which a span sends: new conventions link the sending to them.
fn created(tree: &Tree<'_>, member: usize) -> Read<Vec<usize>> {
    let span = &tree.members[member];
    let mut found = Vec::new();
    if span.creates()? {
        return Ok(found);
    }
    for &(trace_id, id) in &span.links {
        let linked = (trace_id == tree.trace_id).then(|| tree.find(id)).flatten();
        if let Some(message) = linked.filter(|&message| tree.members[message].service() == span.service()) {
            if tree.members[message].creates()? {
                found.push(message);
            }
        }
    }
    Ok(found)
}
