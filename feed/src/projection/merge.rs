//! Several timelines as one, newest first, each place once.

use std::collections::VecDeque;

use crate::position::Position;

/// A merge of a reader's few timelines. Linear over the heads: a reader has about eight audiences, where a heap costs more.
pub(super) struct Merge<'a> {
    heads: Vec<(&'a VecDeque<Position>, usize)>,
    down_to: Option<Position>,
}

impl<'a> Merge<'a> {
    /// Starts below `before` (above everything if `None`) and ends at `down_to`, itself included.
    pub(super) fn new(
        timelines: impl Iterator<Item = &'a VecDeque<Position>>,
        before: Option<Position>,
        down_to: Option<Position>,
    ) -> Self {
        let left = |ids: &VecDeque<Position>| {
            before.map_or(ids.len(), |before| ids.partition_point(|id| *id < before))
        };
        Self {
            heads: timelines.map(|ids| (ids, left(ids))).collect(),
            down_to,
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = Position;

    fn next(&mut self) -> Option<Position> {
        let head =
            |(ids, left): &(&VecDeque<Position>, usize)| left.checked_sub(1).map(|last| ids[last]);
        let newest = self.heads.iter().filter_map(head).max()?;
        if self.down_to.is_some_and(|down_to| newest < down_to) {
            return None;
        }
        for (ids, left) in &mut self.heads {
            if *left > 0 && ids[*left - 1] == newest {
                *left -= 1;
            }
        }
        Some(newest)
    }
}
