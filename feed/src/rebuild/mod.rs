//! Rebuilds: a new stream is built beside the one that is shown, from what the owner has and what is on the bus, and takes
//! its place at once (spec/feed.md section 5.4). This is who asks for one and how it goes; [`build`] does it.

mod batches;
pub(crate) mod build;
pub(crate) mod refill;
mod report;
pub(crate) mod sources;
mod stretch;

use std::sync::Arc;

use kit::clock::SharedClock;
use kit::problem::Problem;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub use report::{Cause, Phase, Report};

/// The rebuilds of one feed. One at a time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rebuilds(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    report: watch::Sender<Report>,
    asked: Notify,
    clock: SharedClock,
}

#[derive(Debug)]
struct State {
    /// Somebody is there who does it.
    open: bool,
    /// One is going on, or asked for.
    running: bool,
    /// One is asked for and has not begun.
    waiting: bool,
    /// The number of the last one.
    job: u64,
}

impl Rebuilds {
    /// The first one fills the stream at the start.
    pub(crate) fn new(clock: SharedClock) -> Self {
        let mut state = State {
            open: true,
            running: true,
            waiting: true,
            job: 0,
        };
        let report = state.next(Cause::Start, &clock);
        Self(Arc::new(Desk {
            state: Mutex::new(state),
            report: watch::Sender::new(report),
            asked: Notify::new(),
            clock,
        }))
    }

    /// Asks for a rebuild; answers its job.
    ///
    /// # Errors
    /// 409 `rebuild_running`; 503 when the feed is stopping.
    pub fn start(&self) -> Result<String, Problem> {
        let mut state = self.0.state.lock();
        if !state.open {
            return Err(Problem::unavailable(
                "feed_unavailable",
                "the feed is stopping",
            ));
        }
        if state.running {
            return Err(Problem::conflict(
                "rebuild_running",
                "the stream is being rebuilt already; `stats/detail` shows how far it is",
            ));
        }
        (state.running, state.waiting) = (true, true);
        let report = state.next(Cause::Asked, &self.0.clock);
        let job = report.job.clone();
        self.0.report.send_replace(report);
        drop(state);
        self.0.asked.notify_one();
        Ok(job)
    }

    /// The one that is going on, else the last one.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report.borrow().clone()
    }

    /// Whether one is going on or asked for.
    #[must_use]
    pub fn running(&self) -> bool {
        self.0.state.lock().running
    }

    /// Waits for the end of this job and tells how it went; `None` when it is not the last one any more.
    pub async fn ended(&self, job: &str) -> Option<Report> {
        let mut reports = self.0.report.subscribe();
        let ended = |report: &Report| report.job != job || report.ended_at.is_some();
        let report = reports.wait_for(ended).await.ok()?.clone();
        (report.job == job).then_some(report)
    }

    /// Until somebody asks for one.
    pub(crate) async fn asked(&self) {
        while !self.0.state.lock().waiting {
            self.0.asked.notified().await;
        }
    }

    /// Begins the one that is asked for, else one for this cause.
    pub(crate) fn begin(&self, cause: Cause) -> Run {
        let desk = self.0.clone();
        let mut state = desk.state.lock();
        state.running = true;
        if !std::mem::take(&mut state.waiting) {
            let report = state.next(cause, &desk.clock);
            desk.report.send_replace(report);
        }
        drop(state);
        Run { desk, ended: false }
    }

    /// From now on until the guard is dropped somebody is there who does them.
    pub(crate) fn open(&self) -> Open {
        Open(self.0.clone())
    }
}

impl State {
    fn next(&mut self, cause: Cause, clock: &SharedClock) -> Report {
        let now = clock.now();
        let time = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        self.job = time.max(self.job + 1);
        Report::new(self.job.to_string(), cause, now)
    }
}

/// Held while somebody does the rebuilds.
pub(crate) struct Open(Arc<Desk>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state.lock().open = false;
        self.0.end(Some("the feed was stopped"));
    }
}

/// One rebuild that is going on. Dropped before its end, it was cut off.
pub(crate) struct Run {
    desk: Arc<Desk>,
    ended: bool,
}

impl Run {
    /// It does this now; `total`: how much of it there is, if that is known.
    pub(crate) fn phase(&self, phase: Phase, total: Option<u64>) {
        self.desk.report.send_modify(|report| {
            (report.phase, report.done, report.total) = (phase, 0, total);
        });
    }

    /// So much more of it is done.
    pub(crate) fn advance(&self, count: u64) {
        let now = self.desk.clock.now();
        self.desk
            .report
            .send_modify(|report| report.advance(count, now));
    }

    /// It did not work and is tried again from the beginning.
    pub(crate) fn again(&self, error: &str) {
        self.desk.report.send_modify(|report| {
            (report.phase, report.done, report.total) = (Phase::Waiting, 0, None);
            (report.items, report.error) = (0, Some(error.to_owned()));
        });
    }

    /// It is over; tells how it went.
    pub(crate) fn end(mut self, error: Option<&str>) -> Report {
        self.ended = true;
        self.desk.end(error)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.desk.end(Some("it was stopped before its end"));
        }
    }
}

impl Desk {
    /// In one step, so that it is never the next one that is ended.
    fn end(&self, error: Option<&str>) -> Report {
        let mut state = self.state.lock();
        (state.running, state.waiting) = (false, false);
        let now = self.clock.now();
        self.report
            .send_if_modified(|report| report.end(error, now));
        self.report.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::clock::MockClock;

    fn rebuilds() -> (Rebuilds, MockClock) {
        let clock = MockClock::default();
        (Rebuilds::new(clock.shared()), clock)
    }

    #[test]
    fn while_one_is_going_on_or_asked_for_a_second_is_refused_and_afterwards_not() {
        let (rebuilds, clock) = rebuilds();
        let refused = || {
            let problem = rebuilds.start().unwrap_err();
            (problem.status().as_u16(), problem.code().to_owned())
        };
        let running = (409, "rebuild_running".to_owned());
        assert_eq!(refused(), running, "the stream is not filled yet");
        let first = rebuilds.begin(Cause::Start);
        assert_eq!(refused(), running);
        first.end(None);
        let job = rebuilds.start().unwrap();
        assert_eq!(refused(), running);
        let run = rebuilds.begin(Cause::Asked);
        run.phase(Phase::Export, None);
        clock.advance(chrono::TimeDelta::seconds(2));
        run.advance(600);
        let report = rebuilds.report();
        assert_eq!((&report.job, report.done), (&job, 600));
        assert_eq!(report.items_per_second, Some(300.0));
        assert_eq!(run.end(None).phase, Phase::Done);
        assert_ne!(rebuilds.start().unwrap(), job);
    }

    #[tokio::test]
    async fn one_that_is_cut_off_has_failed_and_makes_room_for_the_next() {
        let (rebuilds, _) = rebuilds();
        let open = rebuilds.open();
        rebuilds.begin(Cause::Start).end(None);
        let job = rebuilds.start().unwrap();
        drop(rebuilds.begin(Cause::Asked));
        let report = rebuilds.ended(&job).await.unwrap();
        assert_eq!(report.phase, Phase::Failed);
        assert!(report.error.is_some() && !rebuilds.running());
        let next = rebuilds.start().unwrap();
        assert_eq!(rebuilds.ended(&job).await, None);
        drop(open);
        assert_eq!(rebuilds.ended(&next).await.unwrap().phase, Phase::Failed);
        assert_eq!(rebuilds.start().unwrap_err().status(), 503);
    }
}
