//! One timeline: the newest items of an audience or of a person, by place.

use std::collections::VecDeque;

use crate::position::Position;

/// The newest places, oldest first in memory, and how far down they are complete.
///
/// Holds always: of the items that belong here, exactly those at or above `floor` are in `ids` (all of them while there is
/// no floor). A page that would go below the floor goes on at the owner, so a floor may rise at any time and nothing is lost.
/// It sinks only by a refill from the owner: after removals the window is to hold as many as it may again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    ids: VecDeque<Position>,
    /// Items listed first in a first page, in or out of the window, oldest first.
    pins: Vec<Position>,
    floor: Option<Position>,
    /// Counts what belongs here and was not taken in, since it is below the floor: a refill that was asked for before may
    /// not know of it.
    refused: u64,
    /// Grows with every change that a reader could see; never the same for two states.
    pub(super) generation: u64,
}

impl Timeline {
    /// Adds a place unless it is below the floor, and keeps the `window` newest. Gives back what fell out, which may be the
    /// place itself.
    pub(super) fn insert(&mut self, position: Position, window: usize) -> Option<Position> {
        if self.floor.is_some_and(|floor| position < floor) {
            self.refused += 1;
            return Some(position);
        }
        let Err(index) = self.ids.binary_search(&position) else {
            return None;
        };
        self.ids.insert(index, position);
        if self.ids.len() <= window {
            return None;
        }
        let fallen = self.ids.pop_front();
        self.floor = self.ids.front().copied();
        fallen
    }

    /// Takes a place out of window and pins. The floor stays: below it the owner knows, not we.
    pub(super) fn remove(&mut self, position: Position) {
        if let Ok(index) = self.ids.binary_search(&position) {
            self.ids.remove(index);
        }
        self.unpin(position);
    }

    /// Takes in what the owner has below the floor.
    pub(super) fn refill(&mut self, places: &[Position], floor: Option<Position>) {
        for position in places {
            if let Err(index) = self.ids.binary_search(position) {
                self.ids.insert(index, *position);
            }
        }
        self.floor = floor;
    }

    /// How many more it may hold than it does, if there may be some below.
    pub(super) fn room(&self, window: usize) -> usize {
        self.floor
            .map_or(0, |_| window.saturating_sub(self.ids.len()))
    }

    pub(super) fn pin(&mut self, position: Position) {
        if let Err(index) = self.pins.binary_search(&position) {
            self.pins.insert(index, position);
        }
    }

    pub(super) fn unpin(&mut self, position: Position) {
        if let Ok(index) = self.pins.binary_search(&position) {
            self.pins.remove(index);
        }
    }

    /// Whether the item's body is needed for this timeline.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.ids.binary_search(&position).is_ok() || self.pins.binary_search(&position).is_ok()
    }

    /// Nothing is known here, and there is nothing to know.
    pub(super) fn is_void(&self) -> bool {
        self.ids.is_empty() && self.pins.is_empty() && self.floor.is_none()
    }

    /// How many items the window holds.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The place down to which, itself included, this is complete; `None`: to the first item ever.
    pub(super) fn floor(&self) -> Option<Position> {
        self.floor
    }

    /// See the field.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The places, oldest first.
    pub(super) fn ids(&self) -> &VecDeque<Position> {
        &self.ids
    }

    /// The pinned places, oldest first.
    pub(super) fn pins(&self) -> &[Position] {
        &self.pins
    }
}
