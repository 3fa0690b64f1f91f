//! The spans of a trace as a forest: see processors/call_graph/span_tree.py.

use crate::wire::{Odd, Read};

use super::operations::Words;
use super::span::{ResourceNames, Role, Span};
use super::vocabulary::Vocabulary;

/// The forest; spans are numbers of `members`, which are sorted by start and id.
pub struct Tree<'a> {
    pub trace_id: &'a [u8],
    pub members: Vec<Span<'a>>,
    /// Parents before their children.
    pub order: Vec<usize>,
    /// The root of the trace first.
    pub roots: Vec<usize>,
    pub orphans: Vec<usize>,
    /// Sorted.
    pub missing: Vec<&'a [u8]>,
    by_id: Vec<(&'a [u8], usize)>,
}

impl<'a> Tree<'a> {
    /// Of encoded spans. Shared ids and cycles are for the reference.
    pub fn of(spans: &[(&'a [u8], &'a ResourceNames)], vocabulary: &Vocabulary, words: &mut dyn Words) -> Read<Self> {
        let mut members = Vec::with_capacity(spans.len());
        for (came, &(encoded, sender)) in spans.iter().enumerate() {
            members.push(Span::of(encoded, sender, came, vocabulary)?);
        }
        members.sort_unstable_by(|one, other| (one.start, one.span_id).cmp(&(other.start, other.span_id)));
        let trace_id = members.first().ok_or(Odd)?.trace_id;
        if members.iter().any(|member| member.trace_id != trace_id) {
            return Err(Odd);
        }
        let mut by_id: Vec<(&[u8], usize)> = members.iter().enumerate().map(|(place, span)| (span.span_id, place)).collect();
        by_id.sort_unstable();
        if by_id.windows(2).any(|pair| pair[0].0 == pair[1].0) || is_apart(&members, words)? {
            return Err(Odd);
        }
        let (order, roots, orphans, missing) = Default::default();
        let mut tree = Tree { trace_id, members, order, roots, orphans, missing, by_id };
        tree.place();
        tree.order = tree.roots.iter().chain(&tree.orphans).copied().collect();
        let mut next = 0;
        while let Some(&member) = tree.order.get(next) {
            tree.order.extend_from_slice(&tree.members[member].children);
            next += 1;
        }
        if tree.order.len() < tree.members.len() {
            return Err(Odd); // a cycle of parents
        }
        let Tree { members, roots, .. } = &mut tree;
        roots.sort_unstable_by_key(|&root| (!members[root].parent_id.is_empty(), root)); // by start and id, as their numbers
        tree.find_clients();
        Ok(tree)
    }

    fn place(&mut self) {
        for member in 0..self.members.len() {
            let parent_id = self.members[member].parent_id;
            if parent_id.is_empty() || parent_id == self.members[member].span_id {
                self.roots.push(member);
                continue;
            }
            match self.find(parent_id) {
                Some(parent) => {
                    self.members[member].parent = Some(parent);
                    self.members[parent].children.push(member);
                }
                None => {
                    self.orphans.push(member);
                    self.missing.push(parent_id);
                }
            }
        }
        self.missing.sort_unstable();
        self.missing.dedup();
    }

    fn find_clients(&mut self) {
        for &member in &self.order {
            self.members[member].client = self.client_of(member);
        }
        for &member in self.order.iter().rev() {
            let latest = self.members[member].latest;
            if let Some(parent) = self.members[member].parent {
                let above = &mut self.members[parent].latest;
                *above = latest.max(*above);
            }
        }
    }

    /// The client or producer span whose call a span answers, if it is of the other side.
    fn client_of(&self, member: usize) -> Option<usize> {
        let parent = self.members[member].parent?;
        let above = &self.members[parent];
        if above.role.is_exit() {
            return Some(parent);
        }
        let client = above.client?;
        (above.role.is_inside() && above.service() == self.members[client].service()).then_some(client)
    }

    /// The span of an id.
    pub fn find(&self, id: &[u8]) -> Option<usize> {
        let place = self.by_id.binary_search_by_key(&id, |known| known.0).ok()?;
        Some(self.by_id[place].1)
    }

    /// The root of the trace, or the earliest orphan.
    pub fn main(&self) -> Option<usize> {
        self.roots.first().or(self.orphans.first()).copied()
    }
}

/// Whether Zipkin's decoder gave a span an id of its own that its client's side shared with it, where that matters: where the
/// shared one is the parent of others too.
fn is_apart(members: &[Span<'_>], words: &mut dyn Words) -> Read<bool> {
    let mut servers = members.iter().filter(|member| member.role == Role::Server).peekable();
    if servers.peek().is_none() {
        return Ok(false);
    }
    let mut parents: Vec<&[u8]> = members.iter().map(|member| member.parent_id).collect();
    parents.sort_unstable();
    for server in servers {
        let parent = server.parent_id;
        let place = parents.partition_point(|&known| known < parent);
        if parents.get(place + 1) == Some(&parent) && words.server_side(parent)? == server.span_id {
            return Ok(true);
        }
    }
    Ok(false)
}
