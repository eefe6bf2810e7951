//! Keeps the copy equal to the store: listens, renews the lease, and loads everything anew when something was missed.

use std::time::Duration;

use backends::db::Error;
use chrono::TimeDelta;
use kit::service::Worker;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::{
    Inner, Instances, Part, SAYING,
    notice::{Ear, Heard, Notice, SharedNotices, Version},
    rows::{self, Row},
    say,
    standby::{Lives, SharedStandby},
    trust::{LEASE, Moment},
    within,
};
use crate::store::Store;

/// How often the lease is renewed.
const RENEWAL: Duration = Duration::from_millis(500);
/// How long a notice may be on its way before it counts as missed.
const UNDERWAY: Duration = Duration::from_millis(250);
/// How long the store may take for each half of a renewal: whoever is kept waiting by it still has time to renew the lease
/// beside the store, before the belief ends.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long it may take to read what changed.
const READING: Duration = Duration::from_secs(1);
/// How long it may take to load everything.
const LOADING: Duration = Duration::from_secs(60);
/// Rows of instances that ended without taking theirs away are kept so long, for people who look.
const KEPT: TimeDelta = TimeDelta::days(1);

/// The worker of an instance that is one of several; none for another.
pub fn keep(store: Store) -> Option<Worker> {
    let Part::Member {
        id,
        notices,
        standby,
    } = &store.instances().0.part
    else {
        return None;
    };
    let (id, notices, standby) = (*id, notices.clone(), standby.clone());
    Some(Worker::new("auth-instances", move |stop| async move {
        let mut keeper = Keeper {
            instances: store.instances().clone(),
            ear: notices.listen(id),
            id,
            notices,
            standby,
            lives: Lives::default(),
            store,
            listening: false,
            load: true,
            behind: None,
        };
        stop.run_until_cancelled(keeper.run()).await;
        keeper.leave().await;
        Ok(())
    }))
}

struct Keeper {
    store: Store,
    instances: Instances,
    id: Uuid,
    notices: SharedNotices,
    standby: SharedStandby,
    /// When the lease may be taken there.
    lives: Lives,
    ear: Box<dyn Ear>,
    listening: bool,
    /// The copy may have missed something.
    load: bool,
    behind: Option<Behind>,
}

/// A renewal that counts once the copy holds this number.
struct Behind {
    number: i64,
    since: Moment,
    /// When the notices that are missing count as missed.
    until: Instant,
}

impl Keeper {
    async fn run(&mut self) {
        let mut moved = self.shared().ledger.watch();
        let mut renewal = Instant::now();
        loop {
            let missed = self.behind.as_ref().map_or(renewal, |behind| behind.until);
            tokio::select! {
                biased;
                () = sleep_until(renewal) => {
                    renewal = Instant::now() + RENEWAL;
                    self.renew().await;
                }
                () = sleep_until(missed), if self.behind.is_some() => self.missed("a notice did not come").await,
                _ = moved.changed(), if self.behind.is_some() => self.settle(),
                heard = self.ear.next() => self.hear(heard).await,
            }
        }
    }

    fn shared(&self) -> &Inner {
        &self.instances.0
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Began => {
                self.listening = true;
                *self.shared().deaf.lock() = None;
                tracing::info!("this instance hears the others");
                // whatever was said before, it may have missed
                self.distrust();
                self.renew().await;
            }
            Heard::Lost(why) => {
                tracing::warn!(
                    why,
                    "this instance does not hear the others; each decision asks the store"
                );
                *self.shared().deaf.lock() = Some(why);
                self.listening = false;
                self.distrust();
                // so that nobody waits for it
                self.renew().await;
            }
            Heard::Garbled(why) => self.missed(&why).await,
            Heard::Notice(Notice::Changed { from, .. } | Notice::Made { from, .. })
                if from == self.id => {}
            Heard::Notice(Notice::Changed {
                from,
                number,
                accounts,
                ended,
            }) => self.changed(from, number, &accounts, &ended).await,
            Heard::Notice(Notice::Made {
                account, session, ..
            }) => {
                let made = [account];
                let reading = self.store.read_again(&made, session.as_slice());
                // what is unknown is looked up
                let _ = timeout(READING, reading).await;
            }
            Heard::Notice(Notice::Confirmed { from, to, number }) => {
                if to == self.id {
                    self.shared().confirms.note(number, from);
                }
            }
        }
    }

    /// Reads again what changed, and confirms it.
    async fn changed(&mut self, from: Uuid, number: i64, accounts: &[Version], ended: &[Uuid]) {
        match timeout(READING, self.store.read_again(accounts, ended)).await {
            Ok(Ok(())) => {
                self.shared().ledger.mark(number);
                let notice = Notice::Confirmed {
                    from: self.id,
                    to: from,
                    number,
                };
                say(&self.notices, &notice).await;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "a change could not be read; each decision asks the store");
                self.distrust();
            }
            Err(_) => {
                tracing::warn!("a change could not be read in time; each decision asks the store");
                self.distrust();
            }
        }
    }

    /// From now on each decision asks the store, until everything was loaded.
    fn distrust(&mut self) {
        self.load = true;
        self.behind = None;
        self.shared().trust.withdraw();
        self.show(false);
    }

    async fn missed(&mut self, why: &str) {
        tracing::warn!(
            why,
            "this instance has missed something of the others; do all have the same auth.redis?"
        );
        self.count("auth_notices_missed_total");
        self.distrust();
        self.renew().await;
    }

    /// Renews the lease, and believes it once the copy holds all that was committed by then.
    async fn renew(&mut self) {
        let Err(error) = self.try_renewal().await else {
            return;
        };
        tracing::warn!(%error, "the lease of this instance could not be renewed in the store");
        if let Err(error) = self.stand_by().await {
            // the lease runs out by itself
            tracing::warn!(%error, "nor could it be beside the store");
        }
        if !self.instances.believes(self.store.now()) {
            self.show(false);
        }
    }

    /// Renews the lease at the second place. Whatever was committed while the store could not be asked left its number there.
    async fn stand_by(&mut self) -> anyhow::Result<()> {
        if !self.listening || self.load {
            return Ok(());
        }
        let Some(life) = self.lives.proved() else {
            return Ok(());
        };
        let since = Moment::now(&**self.store.clock());
        let renewal = self.standby.renew(self.id, life, since.clock + LEASE);
        match within(SAYING, renewal).await? {
            Some(number) => self.expect(number, since),
            None => self.lives.forget(),
        }
        Ok(())
    }

    async fn try_renewal(&mut self) -> Result<(), Error> {
        let since = Moment::now(&**self.store.clock());
        self.write_row(since).await?;
        if !self.listening {
            return Ok(());
        }
        if !self.load {
            return self.compare(since).await;
        }
        let number = in_time(LOADING, self.store.reload()).await?;
        self.shared().ledger.loaded(number);
        self.load = false;
        self.count("auth_copy_loads_total");
        // those who wait for it need not wait until the next time
        let since = Moment::now(&**self.store.clock());
        self.write_row(since).await?;
        self.compare(since).await
    }

    /// The number is read after the row is there for all to see: who commits later waits for us.
    async fn compare(&mut self, since: Moment) -> Result<(), Error> {
        let before = self.shared().ledger.upto();
        let number = in_time(PATIENCE, rows::last_number(self.store.db())).await?;
        if number < before {
            tracing::warn!("the store is older than before; everything is read again");
            self.store.forget_accounts();
            self.shared().ledger.restart();
            self.distrust();
            self.lives.forget();
            if let Err(error) = within(SAYING, self.standby.forget()).await {
                tracing::warn!(%error, "the numbers beside the store are those of before");
            }
            return Ok(());
        }
        self.expect(number, since);
        let now = self.store.now();
        let renewed = self.standby.renewed_in_store(self.id, number, now);
        match within(SAYING, renewed).await {
            Ok(life) => self.lives.seen(life),
            Err(error) => {
                tracing::debug!(%error, "without the store this instance will not go on");
                self.lives.forget();
            }
        }
        Ok(())
    }

    /// A renewal counts once the copy holds all changes up to this one.
    fn expect(&mut self, number: i64, since: Moment) {
        if self.behind.is_none() {
            self.behind = Some(Behind {
                number,
                since,
                until: Instant::now() + UNDERWAY,
            });
        }
        self.settle();
    }

    /// Believes the renewal that waited for it, if nothing is missing any more.
    fn settle(&mut self) {
        let upto = self.shared().ledger.upto();
        if let Some(behind) = self.behind.take_if(|behind| behind.number <= upto) {
            self.shared().trust.grant(behind.since);
            self.show(true);
        }
    }

    async fn write_row(&self, since: Moment) -> Result<(), Error> {
        let row = Row {
            id: self.id,
            held_until: since.clock + LEASE,
            listening: self.listening,
            seen: self.shared().ledger.upto(),
        };
        in_time(PATIENCE, rows::renew(self.store.db(), row)).await
    }

    /// So that nobody waits for an instance that has gone.
    async fn leave(&mut self) {
        self.distrust();
        let long_ago = self.store.now() - KEPT;
        let leaving = rows::leave(self.store.db(), self.id, long_ago);
        if let Err(error) = in_time(READING, leaving).await {
            tracing::debug!(%error, "the lease of this instance runs out by itself");
        }
    }

    fn show(&self, believed: bool) {
        if let Some(meters) = &self.shared().meters {
            let gauge = meters.metrics.gauge("auth_copy_believed", &[]);
            gauge.set(f64::from(u8::from(believed)));
        }
    }

    fn count(&self, name: &'static str) {
        if let Some(meters) = &self.shared().meters {
            meters.metrics.counter(name, &[]).increment(1);
        }
    }
}

/// What the store answers.
async fn in_time<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Unavailable(anyhow::anyhow!(
            "the store did not answer in time"
        ))),
    }
}
