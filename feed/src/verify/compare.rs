//! What is against what should be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::PostId;

use super::naive::{Naive, Should};
use super::{Difference, Verdict};
use crate::projection::{Kept, Line, Window};

/// Posts named of one window and kind at most; the counts tell the rest.
const NAMED: usize = 20;

/// What is wrong with a post in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Missing,
    Unexpected,
    Changed,
}

/// One comparison.
#[derive(Default)]
pub(super) struct Findings {
    audiences: usize,
    authors: usize,
    items: usize,
    unconfirmed: usize,
    counts: HashMap<Line, (usize, usize)>,
    differences: BTreeMap<Line, BTreeSet<(Wrong, PostId)>>,
}

impl Findings {
    pub(super) fn of(naive: &mut Naive, windows: &[Window], public: bool) -> Self {
        let mut findings = Self::default();
        let all = windows.iter().flat_map(|window| &window.items);
        all.for_each(|kept| naive.adopt(kept));
        findings.unconfirmed = naive.adopted;
        let mut expected = naive.windows(public);
        for window in windows {
            match window.line {
                Line::Audience(_) => findings.audiences += 1,
                Line::Person(_) => findings.authors += 1,
            }
            findings.items += window.items.len();
            let should = expected.remove(&window.line).unwrap_or_default();
            findings.compare(window.line, &should, &window.items);
        }
        for (line, should) in expected {
            findings.compare(line, &should, &[]);
        }
        findings
    }

    fn compare(&mut self, line: Line, should: &[Should], items: &[Kept]) {
        let expected: HashMap<PostId, &[u8]> = should
            .iter()
            .map(|should| (should.position.id, &*should.json))
            .collect();
        let found: HashMap<PostId, &[u8]> = items
            .iter()
            .map(|kept| (kept.id, kept.body.json()))
            .collect();
        let missing = expected
            .keys()
            .filter(|id| !found.contains_key(id))
            .map(|id| (Wrong::Missing, *id));
        let others = found
            .iter()
            .filter_map(|(id, json)| match expected.get(id) {
                None => Some((Wrong::Unexpected, *id)),
                Some(expected) if expected != json => Some((Wrong::Changed, *id)),
                Some(_) => None,
            });
        let wrong: BTreeSet<_> = missing.chain(others).collect();
        if !wrong.is_empty() {
            self.counts.insert(line, (should.len(), items.len()));
            self.differences.insert(line, wrong);
        }
    }

    /// Whether everything is as it should be.
    pub(super) fn are_none(&self) -> bool {
        self.differences.is_empty()
    }

    /// Of these what was so before.
    pub(super) fn still(mut self, before: &Self) -> Self {
        self.differences.retain(|line, wrong| {
            if let Some(before) = before.differences.get(line) {
                wrong.retain(|one| before.contains(one));
            } else {
                wrong.clear();
            }
            !wrong.is_empty()
        });
        self
    }

    pub(super) fn verdict(self, seconds: f64) -> Verdict {
        let counts = self.counts;
        let differences = self.differences.into_iter().map(|(line, wrong)| {
            let (expected, found) = counts.get(&line).copied().unwrap_or_default();
            let named = |kind: Wrong| {
                let of_kind = wrong.iter().filter(|(wrong, _)| *wrong == kind);
                let newest_first = of_kind.rev().map(|(_, id)| id.to_string());
                newest_first.take(NAMED).collect()
            };
            Difference {
                window: line.to_string(),
                expected,
                found,
                missing: named(Wrong::Missing),
                unexpected: named(Wrong::Unexpected),
                changed: named(Wrong::Changed),
            }
        });
        Verdict {
            audiences: self.audiences,
            authors: self.authors,
            items: self.items,
            unconfirmed: self.unconfirmed,
            differences: differences.collect(),
            seconds,
        }
    }
}
