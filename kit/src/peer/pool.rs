//! Where a service answers, and which of its instances is asked next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use tokio::sync::watch;

use super::base;
use crate::breaker::{Breaker, Permit};
use crate::clock::SharedClock;

/// Where a service answers: at one address that is known, or at the instances that are found at the moment. The one with
/// the fewest calls under way is asked, among equals each in turn, and one that fails too often is left alone for a while.
/// Clones share all of it.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    targets: watch::Sender<Arc<[Arc<Target>]>>,
    turn: AtomicUsize,
    /// There is none where the address is fixed: who else could be asked?
    clock: Option<SharedClock>,
}

#[derive(Debug)]
struct Target {
    id: String,
    base: Url,
    under_way: AtomicUsize,
    breaker: Option<Breaker>,
}

/// Why nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nobody {
    #[error("no instance of it is known")]
    Known,
    #[error("all of its instances failed too often; they are tried again in {0} s")]
    Trusted(u64),
}

impl Pool {
    /// The service `name` at one address, for example `http://things:5000`.
    ///
    /// # Errors
    /// When the URL is none of http or https.
    pub fn fixed(name: &'static str, base_url: &str) -> anyhow::Result<Self> {
        let pool = Self::new(name, None);
        pool.replace([(name.to_owned(), base(name, base_url)?)]);
        Ok(pool)
    }

    /// The service `name`, of which no instance is known yet.
    #[must_use]
    pub fn found(name: &'static str, clock: SharedClock) -> Self {
        Self::new(name, Some(clock))
    }

    fn new(name: &'static str, clock: Option<SharedClock>) -> Self {
        Self(Arc::new(Inner {
            name,
            targets: watch::Sender::new(Arc::from([])),
            turn: AtomicUsize::new(0),
            clock,
        }))
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// How many instances are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.targets.borrow().len()
    }

    /// Whether no instance is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on these are the instances, each with an id and its base address. Of one that stays, what is known about it
    /// stays too.
    pub fn replace(&self, instances: impl IntoIterator<Item = (String, Url)>) {
        self.0.targets.send_modify(|targets| {
            let next = instances.into_iter().map(|(id, base)| {
                let same = |target: &&Arc<Target>| target.id == id && target.base == base;
                targets.iter().find(same).cloned().unwrap_or_else(|| {
                    Arc::new(Target {
                        id,
                        base,
                        under_way: AtomicUsize::new(0),
                        breaker: self.0.clock.clone().map(Breaker::new),
                    })
                })
            });
            *targets = next.collect();
        });
    }

    /// Waits until the number of known instances is as wished.
    pub async fn until(&self, wished: impl Fn(usize) -> bool) {
        let mut targets = self.0.targets.subscribe();
        // the sender lives as long as this borrow of it
        let _ = targets.wait_for(|targets| wished(targets.len())).await;
    }

    /// The instance to ask next; `tried` only if there is no other.
    pub(super) fn pick(&self, tried: Option<&Place>) -> Result<Call, Nobody> {
        let targets = Arc::clone(&self.0.targets.borrow());
        // a second try takes nobody's turn: else, of two, the one that fails would be the first of every call
        let turn = match tried {
            None => self.0.turn.fetch_add(1, Ordering::Relaxed),
            Some(_) => self.0.turn.load(Ordering::Relaxed),
        };
        let mut order: Vec<_> = (0..targets.len())
            .map(|step| &targets[turn.wrapping_add(step) % targets.len()])
            .collect();
        // stable: among equals it is each one's turn
        order.sort_by_cached_key(|target| {
            let again = tried.is_some_and(|place| place.is(target));
            (again, target.under_way.load(Ordering::Relaxed))
        });
        let mut nobody = Nobody::Known;
        for target in order {
            match target.breaker.as_ref().map(Breaker::admit).transpose() {
                Ok(permit) => return Ok(Call::new(Arc::clone(target), permit)),
                Err(wait) => {
                    nobody = match nobody {
                        Nobody::Trusted(shortest) => Nobody::Trusted(shortest.min(wait)),
                        Nobody::Known => Nobody::Trusted(wait),
                    }
                }
            }
        }
        Err(nobody)
    }
}

/// An instance that was asked.
#[derive(Debug)]
pub(super) struct Place(Arc<Target>);

impl Place {
    fn is(&self, target: &Arc<Target>) -> bool {
        Arc::ptr_eq(&self.0, target)
    }
}

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Call {
    target: Arc<Target>,
    permit: Option<Permit>,
}

impl Call {
    fn new(target: Arc<Target>, permit: Option<Permit>) -> Self {
        target.under_way.fetch_add(1, Ordering::Relaxed);
        Self { target, permit }
    }

    pub(super) fn base(&self) -> &Url {
        &self.target.base
    }

    /// Says how it went. What is told later says nothing more.
    pub(super) fn went(&mut self, well: bool) {
        if let Some(permit) = self.permit.take() {
            permit.end(well);
        }
    }

    pub(super) fn place(&self) -> Place {
        Place(Arc::clone(&self.target))
    }

    pub(super) fn is_at(&self, place: &Place) -> bool {
        place.is(&self.target)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.target.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;
    use proptest::prelude::*;

    fn pool(clock: &MockClock, ids: &[&str]) -> Pool {
        let pool = Pool::found("things", clock.shared());
        pool.replace(ids.iter().map(|id| instance(id)));
        pool
    }

    fn instance(id: &str) -> (String, Url) {
        (id.to_owned(), format!("http://{id}.test").parse().unwrap())
    }

    fn id(call: &Call) -> &str {
        &call.target.id
    }

    fn fail(pool: &Pool, which: &str) {
        let mut failed = 0;
        while failed < 20 {
            let mut call = pool.pick(None).unwrap();
            let fails = id(&call) == which;
            call.went(!fails);
            failed += u32::from(fails);
        }
    }

    #[test]
    fn calls_one_after_the_other_go_to_each_in_turn() {
        let pool = pool(&MockClock::default(), &["a", "b", "c"]);
        let asked: Vec<String> = (0..6)
            .map(|_| id(&pool.pick(None).unwrap()).to_owned())
            .collect();
        assert_eq!(asked, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn the_one_with_the_fewest_calls_under_way_is_asked() {
        let pool = pool(&MockClock::default(), &["a", "b"]);
        let slow = pool.pick(None).unwrap();
        let other = if id(&slow) == "a" { "b" } else { "a" };
        for _ in 0..5 {
            assert_eq!(id(&pool.pick(None).unwrap()), other);
        }
    }

    #[test]
    fn a_second_try_goes_elsewhere_if_there_is_an_elsewhere() {
        let two = pool(&MockClock::default(), &["a", "b"]);
        for _ in 0..4 {
            let first = two.pick(None).unwrap().place();
            assert!(!two.pick(Some(&first)).unwrap().is_at(&first));
        }
        let one = pool(&MockClock::default(), &["a"]);
        let first = one.pick(None).unwrap().place();
        assert!(one.pick(Some(&first)).unwrap().is_at(&first));
    }

    #[test]
    fn of_two_of_which_one_fails_each_is_the_first_of_every_other_call() {
        let pool = pool(&MockClock::default(), &["a", "b"]);
        let first: Vec<String> = (0..4)
            .map(|_| {
                let call = pool.pick(None).unwrap();
                if id(&call) == "a" {
                    assert_eq!(id(&pool.pick(Some(&call.place())).unwrap()), "b");
                }
                id(&call).to_owned()
            })
            .collect();
        assert_eq!(first, ["a", "b", "a", "b"]);
    }

    #[test]
    fn one_that_fails_is_left_alone_for_ten_seconds_and_the_others_go_on() {
        let clock = MockClock::default();
        let pool = pool(&clock, &["a", "b"]);
        fail(&pool, "b");
        for _ in 0..4 {
            let mut call = pool.pick(None).unwrap();
            assert_eq!(id(&call), "a");
            call.went(true);
        }
        clock.advance(chrono::Duration::seconds(10));
        let asked: Vec<String> = (0..2)
            .map(|_| {
                let mut call = pool.pick(None).unwrap();
                call.went(true);
                id(&call).to_owned()
            })
            .collect();
        assert!(asked.contains(&"b".to_owned()), "{asked:?}");
    }

    #[test]
    fn when_all_fail_the_wait_is_the_shortest() {
        let clock = MockClock::default();
        let pool = pool(&clock, &["a", "b"]);
        fail(&pool, "b");
        clock.advance(chrono::Duration::seconds(4));
        fail(&pool, "a");
        assert_eq!(pool.pick(None).unwrap_err(), Nobody::Trusted(6));
    }

    #[test]
    fn nobody_is_known_before_the_first_is_found() {
        let pool = Pool::found("things", MockClock::default().shared());
        assert_eq!(pool.pick(None).unwrap_err(), Nobody::Known);
    }

    #[test]
    fn what_is_known_of_an_instance_stays_with_it_until_it_goes_or_moves() {
        let clock = MockClock::default();
        let pool = pool(&clock, &["a"]);
        fail(&pool, "a");
        pool.replace([instance("a"), instance("b")]);
        assert_eq!(id(&pool.pick(None).unwrap()), "b");
        pool.replace([("a".to_owned(), "http://elsewhere.test".parse().unwrap())]);
        assert_eq!(id(&pool.pick(None).unwrap()), "a");
    }

    #[test]
    fn a_fixed_address_is_asked_however_often_it_fails() {
        let pool = Pool::fixed("things", "http://a.test").unwrap();
        for _ in 0..100 {
            pool.pick(None).unwrap().went(false);
        }
    }

    proptest! {
        /// The naive model counts the calls under way itself.
        #[test]
        fn nobody_is_asked_while_another_has_fewer_calls_under_way(steps in prop::collection::vec(any::<Option<u8>>(), 1..100)) {
            let pool = pool(&MockClock::default(), &["a", "b", "c"]);
            let mut under_way: Vec<Call> = Vec::new();
            for step in steps {
                match step {
                    Some(ends) if !under_way.is_empty() => {
                        under_way.swap_remove(usize::from(ends) % under_way.len());
                    }
                    _ => {
                        let count = |name: &str| under_way.iter().filter(|call| id(call) == name).count();
                        let fewest = ["a", "b", "c"].map(count).into_iter().min().unwrap();
                        let call = pool.pick(None).unwrap();
                        prop_assert_eq!(count(id(&call)), fewest);
                        under_way.push(call);
                    }
                }
            }
        }
    }
}
