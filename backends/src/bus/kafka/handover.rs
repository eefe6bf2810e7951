//! Between the thread that polls the broker and the task that applies records: what was read ahead, what is at hand, and
//! which partitions are ours.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::super::{Delivered, Positions};

/// Beyond so many records, or bytes, nothing more is read ahead.
const RECORDS: usize = 1024;
const BYTES: usize = 4 * 1024 * 1024;

/// A partition of a topic.
pub(super) type Part = (String, i32);

/// Shared by the two sides.
#[derive(Default)]
pub(super) struct Handover {
    state: Mutex<State>,
    /// There is room, or nothing is at hand any more.
    eased: Condvar,
    /// There is a record, or something to say.
    came: Notify,
}

#[derive(Default)]
struct State {
    ahead: VecDeque<Delivered>,
    bytes: usize,
    held: BTreeMap<Part, Held>,
    /// The record that is being applied.
    at_hand: Option<(Part, i64)>,
    trouble: Option<String>,
    closed: bool,
}

/// A partition that is ours at the moment.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// The offsets handed out since it is ours.
    handed: Option<(i64, i64)>,
    /// After the last record put into the queue.
    offered: Option<i64>,
    /// After the last record applied.
    applied: Option<i64>,
}

/// What comes next for whoever applies.
pub(super) enum Next {
    Record(Box<Delivered>),
    Trouble(String),
}

impl Handover {
    // ---- the side that applies

    /// The next record, or why there is none.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut state = self.state.lock();
        // whoever asks for the next one is done with the last
        if state.at_hand.take().is_some() {
            self.eased.notify_all();
        }
        if let Some(delivered) = state.ahead.pop_front() {
            let part = part(&delivered);
            state.bytes -= size(&delivered);
            state.at_hand = Some((part.clone(), delivered.offset));
            if let Some(held) = state.held.get_mut(&part) {
                let first = held.handed.map_or(delivered.offset, |(first, _)| first);
                held.handed = Some((first, delivered.offset));
            }
            self.eased.notify_all();
            return Some(Next::Record(Box::new(delivered)));
        }
        state.trouble.clone().map(Next::Trouble)
    }

    /// Notes a record as applied. False if its partition went to somebody else meanwhile: its position is theirs.
    pub(super) fn applied(&self, delivered: &Delivered) -> bool {
        let mut state = self.state.lock();
        let part = part(delivered);
        if state
            .at_hand
            .as_ref()
            .is_some_and(|(at_hand, offset)| *at_hand == part && *offset <= delivered.offset)
        {
            state.at_hand = None;
            self.eased.notify_all();
        }
        let Some(held) = state.held.get_mut(&part) else {
            return false;
        };
        let ours = held
            .handed
            .is_some_and(|(first, last)| (first..=last).contains(&delivered.offset));
        if ours {
            held.applied = held.applied.max(Some(delivered.offset + 1));
        }
        ours
    }

    /// The positions after what was applied of partitions that are ours.
    pub(super) fn positions(&self) -> Vec<(Part, i64)> {
        let state = self.state.lock();
        applied(&state.held)
    }

    /// Nothing more is wanted.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.at_hand = None;
        state.ahead.clear();
        self.eased.notify_all();
    }

    // ---- the side that polls

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Puts a record into the queue.
    pub(super) fn offer(&self, delivered: Delivered) {
        let mut state = self.state.lock();
        let Some(held) = state.held.get_mut(&part(&delivered)) else {
            return;
        };
        held.offered = Some(delivered.offset + 1);
        state.bytes += size(&delivered);
        state.trouble = None;
        state.ahead.push_back(delivered);
        self.came.notify_one();
    }

    /// Waits for room, at most this long; false if there is none.
    pub(super) fn room(&self, wait: Duration) -> bool {
        let full = |state: &mut State| {
            !state.closed && (state.ahead.len() >= RECORDS || state.bytes >= BYTES)
        };
        let mut state = self.state.lock();
        !self
            .eased
            .wait_while_for(&mut state, full, wait)
            .timed_out()
    }

    /// Whether so much was taken that reading may go on.
    pub(super) fn is_low(&self) -> bool {
        let state = self.state.lock();
        state.ahead.len() < RECORDS / 2 && state.bytes < BYTES / 2
    }

    /// Partitions that are ours from now on.
    pub(super) fn assign(&self, parts: &[Part]) {
        let mut state = self.state.lock();
        for part in parts {
            state.held.insert(part.clone(), Held::default());
        }
    }

    /// Partitions that go to somebody else: nothing more of them is handed out, and the record at hand is waited for, so that
    /// its next owner does not apply it too; but not for ever, since it may be one that cannot be applied now. Answers the
    /// positions after what was applied of them.
    pub(super) fn revoke(&self, parts: &[Part], wait: Duration) -> Vec<(Part, i64)> {
        let mut state = self.state.lock();
        state.ahead.retain(|one| !parts.contains(&part(one)));
        state.bytes = state.ahead.iter().map(size).sum();
        let busy = |state: &mut State| {
            let at_hand = state.at_hand.as_ref();
            !state.closed && at_hand.is_some_and(|(part, _)| parts.contains(part))
        };
        let deadline = Instant::now() + wait;
        let _ = self.eased.wait_while_until(&mut state, busy, deadline);
        let gone: BTreeMap<Part, Held> = parts
            .iter()
            .filter_map(|part| Some((part.clone(), state.held.remove(part)?)))
            .collect();
        applied(&gone)
    }

    pub(super) fn is_ours(&self, part: &Part) -> bool {
        self.state.lock().held.contains_key(part)
    }

    /// The partitions that are ours.
    pub(super) fn ours(&self) -> Vec<Part> {
        self.state.lock().held.keys().cloned().collect()
    }

    /// Whether everything put into the queue of this partition is before `next`, and applied.
    pub(super) fn is_through(&self, part: &Part, next: i64) -> bool {
        let state = self.state.lock();
        state.held.get(part).is_some_and(|held| {
            held.offered == held.applied && held.offered.is_none_or(|offered| offered <= next)
        })
    }

    /// Why nothing comes; None: all is well.
    pub(super) fn trouble(&self, trouble: Option<String>) {
        let mut state = self.state.lock();
        state.trouble = trouble;
        if state.trouble.is_some() {
            self.came.notify_one();
        }
    }

    pub(super) fn has_trouble(&self) -> bool {
        self.state.lock().trouble.is_some()
    }
}

fn applied(held: &BTreeMap<Part, Held>) -> Vec<(Part, i64)> {
    held.iter()
        .filter_map(|(part, held)| Some((part.clone(), held.applied?)))
        .collect()
}

/// The entries of positions.
pub(super) fn parts(positions: &Positions) -> impl Iterator<Item = (Part, i64)> {
    positions
        .iter()
        .map(|(topic, partition, next)| ((topic.to_owned(), partition), next))
}

fn part(delivered: &Delivered) -> Part {
    (delivered.record.topic.clone(), delivered.partition)
}

fn size(delivered: &Delivered) -> usize {
    delivered.record.payload.len() + 256
}

#[cfg(test)]
mod tests;
