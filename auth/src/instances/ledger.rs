//! Which changes of the store this instance's copy holds.
//!
//! Every change that others must see takes the next number in its transaction, so that numbers are committed in order and
//! none is missing. Notices of them arrive in any order, or not at all.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The numbers that are in the copy.
#[derive(Debug)]
pub struct Ledger {
    numbers: Mutex<Numbers>,
    /// All up to this one.
    upto: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct Numbers {
    upto: i64,
    ahead: BTreeSet<i64>,
}

impl Ledger {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            numbers: Mutex::default(),
            upto: watch::Sender::new(0),
        }
    }

    /// The copy holds every change up to this one.
    pub fn upto(&self) -> i64 {
        self.numbers.lock().upto
    }

    /// Says when [`Ledger::upto`] moves.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.upto.subscribe()
    }

    /// The copy holds this change.
    pub fn mark(&self, number: i64) {
        let mut numbers = self.numbers.lock();
        if number > numbers.upto {
            numbers.ahead.insert(number);
            numbers.close_up();
        }
        self.upto.send_replace(numbers.upto);
    }

    /// The copy holds everything up to this change: it was loaded.
    pub fn loaded(&self, number: i64) {
        let mut numbers = self.numbers.lock();
        if number > numbers.upto {
            numbers.upto = number;
            numbers.ahead = numbers.ahead.split_off(&(number + 1));
            numbers.close_up();
        }
        self.upto.send_replace(numbers.upto);
    }

    /// Begins anew: the store is another one than before.
    pub fn restart(&self) {
        *self.numbers.lock() = Numbers::default();
        self.upto.send_replace(0);
    }
}

impl Numbers {
    fn close_up(&mut self) {
        while self.ahead.remove(&(self.upto + 1)) {
            self.upto += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Mark(i64),
        Loaded(i64),
    }

    /// The rule as prose: the longest run from 1 on of numbers that were marked or lie below a load.
    fn naive(steps: &[Step]) -> i64 {
        let held = |number: i64| {
            steps.iter().any(|step| match step {
                Step::Mark(marked) => *marked == number,
                Step::Loaded(upto) => number <= *upto,
            })
        };
        (1..).find(|number| !held(*number)).unwrap() - 1
    }

    proptest! {
        #[test]
        fn it_knows_the_longest_run_whatever_comes_in_whatever_order(
            steps in proptest::collection::vec(prop_oneof![4 => (1i64..30).prop_map(Step::Mark), 1 => (0i64..20).prop_map(Step::Loaded)], 0..60)
        ) {
            let ledger = Ledger::new();
            for (n, step) in steps.iter().enumerate() {
                match *step {
                    Step::Mark(number) => ledger.mark(number),
                    Step::Loaded(number) => ledger.loaded(number),
                }
                prop_assert_eq!(ledger.upto(), naive(&steps[..=n]));
                prop_assert_eq!(*ledger.watch().borrow(), ledger.upto());
            }
        }
    }
}
