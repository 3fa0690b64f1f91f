//! The critical path of a trace: see processors/call_graph/critical_path.py.

use super::tree::Tree;

/// Spans with what they held up, from a time to a time, in order. One span may have several that follow each other.
pub fn critical_path(tree: &Tree<'_>) -> Vec<(usize, i64, i64)> {
    let Some(main) = tree.main() else { return Vec::new() };
    let members = &tree.members;
    let tops = || tree.roots.iter().chain(&tree.orphans).copied();
    let start = members.iter().map(|member| member.start).min().unwrap_or_default();
    let end = tops().map(|top| members[top].latest).max().unwrap_or_default();
    let mut children = members[main].children.clone();
    children.extend(tops().filter(|&top| top != main));
    let mut walk = Walk { tree, pieces: Vec::new(), stack: Vec::new(), cursor: 0 };
    walk.enter(main, start, end, children);
    walk.run();
    walk.pieces.reverse();
    walk.pieces
}

/// The walk back in time.
struct Walk<'t, 'a> {
    tree: &'t Tree<'a>,
    pieces: Vec<(usize, i64, i64)>,
    stack: Vec<(usize, i64, Vec<usize>)>,
    cursor: i64,
}

impl Walk<'_, '_> {
    fn enter(&mut self, member: usize, low: i64, cursor: i64, mut children: Vec<usize>) {
        self.cursor = cursor;
        children.sort_unstable_by_key(|&child| (self.tree.members[child].latest, child));
        self.stack.push((member, low, children));
    }

    fn run(&mut self) {
        while let Some((member, low, children)) = self.stack.last_mut() {
            let (member, low) = (*member, *low);
            match children.pop() {
                Some(child) => {
                    let span = &self.tree.members[child];
                    if low < span.latest && span.latest <= self.cursor && span.start < span.latest {
                        self.emit(member, span.latest);
                        self.enter(child, low.max(span.start), span.latest, span.children.clone());
                    }
                }
                None => {
                    self.emit(member, low);
                    self.stack.pop();
                }
            }
        }
    }

    fn emit(&mut self, member: usize, low: i64) {
        if low < self.cursor {
            self.pieces.push((member, low, self.cursor));
            self.cursor = low;
        }
    }
}
