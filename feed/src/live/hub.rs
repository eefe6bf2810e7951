//! Who listens: the seats of this process, and which sessions have none any longer (spec/feed.md rules 20 and 21).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contracts::{UserId, Verified};
use http::StatusCode;
use kit::metrics::Metrics;
use kit::problem::Problem;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// When a client that found no seat may ask again, in seconds.
const WAIT: u64 = 30;
/// Sessions that are remembered as ended: whoever was let through just before must not sit down afterwards.
const REMEMBERED: usize = 10_000;

/// All seats.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Streams of this process at most.
    seats: usize,
    /// Streams of one person at most; one more closes the oldest.
    each: usize,
    /// Whether it is heard here that a session ended.
    open: AtomicBool,
    taken: Mutex<Taken>,
    gauge: metrics::Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    /// In the order in which they came.
    by_person: HashMap<UserId, VecDeque<Holder>>,
    count: usize,
    numbers: u64,
    ended: HashSet<Uuid>,
    ended_order: VecDeque<Uuid>,
}

#[derive(Debug)]
struct Holder {
    number: u64,
    session: Uuid,
    over: CancellationToken,
}

/// A seat; it is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    user: UserId,
    number: u64,
    over: CancellationToken,
}

impl Hub {
    pub(crate) fn new(seats: usize, each: usize, metrics: &Metrics) -> Arc<Self> {
        metrics.describe_gauge("feed_live_streams", "open live streams");
        Arc::new(Self {
            seats,
            each,
            open: AtomicBool::new(false),
            taken: Mutex::default(),
            gauge: metrics.gauge("feed_live_streams", &[]),
        })
    }

    /// From now on it is heard which sessions end: whoever sits down does not stay when theirs does.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// A seat for this person; their oldest is given up for it when they have all they may.
    ///
    /// # Errors
    /// 401 when the session has ended meanwhile; 503 `too_many_streams` when all seats are taken, `live_unavailable` before
    /// the hub is [open](Self::open).
    pub(crate) fn sit(self: &Arc<Self>, who: &Verified) -> Result<Seat, Problem> {
        if !self.open.load(Ordering::Acquire) {
            return Err(Problem::unavailable(
                "live_unavailable",
                "the stream cannot be followed live at the moment; its pages can be read",
            ));
        }
        let mut taken = self.taken.lock();
        if taken.ended.contains(&who.session) {
            return Err(Problem::unauthorized("the session has ended"));
        }
        if let Some(own) = taken.by_person.get_mut(&who.user)
            && own.len() >= self.each
            && let Some(oldest) = own.pop_front()
        {
            oldest.over.cancel();
            taken.count -= 1;
        }
        if taken.count >= self.seats {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_streams",
                "there are too many live streams at the moment",
            )
            .retry_after(WAIT));
        }
        taken.count += 1;
        taken.numbers += 1;
        let (number, over) = (taken.numbers, CancellationToken::new());
        taken
            .by_person
            .entry(who.user)
            .or_default()
            .push_back(Holder {
                number,
                session: who.session,
                over: over.clone(),
            });
        self.gauge.set(taken.count as f64);
        Ok(Seat {
            hub: self.clone(),
            user: who.user,
            number,
            over,
        })
    }

    /// Ends the streams of a session, and lets none of it in again.
    pub(crate) fn end(&self, user: UserId, session: Uuid) {
        let mut taken = self.taken.lock();
        if taken.ended.insert(session) {
            taken.ended_order.push_back(session);
            if taken.ended_order.len() > REMEMBERED
                && let Some(oldest) = taken.ended_order.pop_front()
            {
                taken.ended.remove(&oldest);
            }
        }
        let own = taken.by_person.get(&user).into_iter().flatten();
        for holder in own.filter(|holder| holder.session == session) {
            holder.over.cancel();
        }
    }
}

impl Seat {
    /// Cancelled when the stream is to end.
    pub(crate) fn over(&self) -> &CancellationToken {
        &self.over
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.hub.taken.lock();
        let Some(own) = taken.by_person.get_mut(&self.user) else {
            return;
        };
        let before = own.len();
        own.retain(|holder| holder.number != self.number);
        let (left, empty) = (before - own.len(), own.is_empty());
        if empty {
            taken.by_person.remove(&self.user);
        }
        taken.count -= left;
        self.hub.gauge.set(taken.count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Roles;

    fn person(user: i64, session: u128) -> Verified {
        Verified {
            user: UserId(user),
            email: None,
            username: String::new(),
            roles: Roles::MEMBER,
            session: Uuid::from_u128(session),
            expires_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn hub(seats: usize) -> Arc<Hub> {
        let hub = Hub::new(seats, 5, &Metrics::new());
        hub.open();
        hub
    }

    #[test]
    fn nobody_is_seated_before_it_is_heard_which_sessions_end() {
        let hub = Hub::new(5, 5, &Metrics::new());
        let refused = hub.sit(&person(1, 1)).unwrap_err();
        let said = (refused.status().as_u16(), refused.code());
        assert_eq!(said, (503, "live_unavailable"));
        assert!(refused.retry_after_secs().is_some());
        hub.open();
        assert!(hub.sit(&person(1, 1)).is_ok());
    }

    #[test]
    fn a_sixth_stream_of_a_person_closes_the_oldest_and_only_that() {
        let hub = hub(100);
        let other = hub.sit(&person(2, 9)).unwrap();
        let seats: Vec<_> = (0..6).map(|n| hub.sit(&person(1, n)).unwrap()).collect();
        let over: Vec<_> = seats.iter().map(|seat| seat.over.is_cancelled()).collect();
        assert_eq!(over, [true, false, false, false, false, false]);
        assert!(!other.over.is_cancelled());
        assert_eq!(hub.taken.lock().count, 6);
    }

    #[test]
    fn a_full_house_refuses_whoever_has_no_seat_to_give_up() {
        let hub = hub(5);
        let own: Vec<_> = (0..5).map(|n| hub.sit(&person(1, n)).unwrap()).collect();
        let refused = hub.sit(&person(2, 9)).unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.code()),
            (503, "too_many_streams")
        );
        let again = hub.sit(&person(1, 6)).unwrap();
        drop(own);
        drop(again);
        let (count, people) = {
            let taken = hub.taken.lock();
            (taken.count, taken.by_person.len())
        };
        assert_eq!((count, people), (0, 0));
        assert!(hub.sit(&person(2, 9)).is_ok());
    }

    #[test]
    fn the_end_of_a_session_ends_its_streams_and_lets_none_in_after_it() {
        let hub = hub(100);
        let (gone, stays) = (
            hub.sit(&person(1, 1)).unwrap(),
            hub.sit(&person(1, 2)).unwrap(),
        );
        hub.end(UserId(1), Uuid::from_u128(1));
        assert!(gone.over.is_cancelled() && !stays.over.is_cancelled());
        assert_eq!(hub.sit(&person(1, 1)).unwrap_err().status().as_u16(), 401);
        assert!(hub.sit(&person(1, 2)).is_ok());
    }

    #[test]
    fn ended_sessions_are_remembered_in_bounded_memory_and_the_newest_first() {
        let hub = hub(100);
        for n in 0..REMEMBERED as u128 + 10 {
            hub.end(UserId(1), Uuid::from_u128(n));
        }
        assert_eq!(hub.taken.lock().ended.len(), REMEMBERED);
        assert!(hub.sit(&person(1, 0)).is_ok());
        assert!(hub.sit(&person(1, REMEMBERED as u128 + 9)).is_err());
    }
}
