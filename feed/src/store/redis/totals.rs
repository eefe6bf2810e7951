//! How many items readers see. Counting reads whole lines, so it is done once per state, and where many are counted once a second
//! at most (spec/feed.md rule 11).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::query::{Filter, Query, Scope, Start};

/// How far behind a number may be.
pub(super) const LAG: Duration = Duration::from_secs(1);
/// From here on it may: below, counting costs no more than the page.
const MANY: usize = 2000;
/// How many numbers are kept; beyond it all are dropped.
const MOST: usize = 4096;

/// Numbers by what they count.
#[derive(Debug, Default)]
pub(super) struct Totals(Mutex<HashMap<(Scope, Filter), Counted>>);

#[derive(Clone, Debug)]
struct Counted {
    /// As the script names it.
    state: String,
    at: Instant,
    total: usize,
}

/// What the script is asked, and what is known if it need not count.
pub(super) struct Question {
    /// '': it is not to count; else the state in which it need not.
    pub(super) word: String,
    known: Option<usize>,
    /// The number may be behind.
    pub(super) lags: bool,
}

impl Totals {
    pub(super) fn ask(&self, query: &Query) -> Question {
        let none = |word: &str| Question {
            word: word.to_owned(),
            known: None,
            lags: false,
        };
        if let Start::After(_) = query.start {
            return none("");
        }
        let totals = self.0.lock();
        let Some(counted) = totals.get(&(query.scope.clone(), query.filter.clone())) else {
            return none("-");
        };
        let lags = counted.total >= MANY && counted.at.elapsed() < LAG;
        Question {
            word: if lags {
                String::new()
            } else {
                counted.state.clone()
            },
            known: Some(counted.total),
            lags,
        }
    }

    /// What the script answered: the number, or that it did not count.
    pub(super) fn answer(
        &self,
        query: &Query,
        asked: &Question,
        state: &str,
        told: i64,
    ) -> Option<usize> {
        let Ok(total) = usize::try_from(told) else {
            return asked.known;
        };
        let counted = Counted {
            state: state.to_owned(),
            at: Instant::now(),
            total,
        };
        let mut totals = self.0.lock();
        if totals.len() >= MOST {
            totals.clear();
        }
        totals.insert((query.scope.clone(), query.filter.clone()), counted);
        Some(total)
    }
}
