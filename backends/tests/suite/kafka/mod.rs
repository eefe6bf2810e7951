//! What only a real Kafka shows. Most of it runs on the one that SCHOOLYARD_TEST_KAFKA names; what must be killed, or wants a
//! password, on brokers of the tests' own.

mod broker;
mod foreign;
mod groups;
mod outage;
mod rights;
mod topics;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use backends::{
    bus::{Bus, Delivered, Record, Start},
    consumer::{Consumer, Failure, Handler, Progress},
};
use kit::{clock::SystemClock, metrics::Metrics};
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// What must not take so long; nothing is measured by it.
const LONG: Duration = Duration::from_secs(60);

/// The number `n` as the payload, of one of seven keys.
fn record(topic: &str, n: u32) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some(format!("k:{}", n % 7)),
        payload: n.to_string().into_bytes().into(),
        headers: BTreeMap::new(),
        event_id: None,
    }
}

fn records(topic: &str, numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers.map(|n| record(topic, n)).collect()
}

fn number(delivered: &Delivered) -> u32 {
    String::from_utf8_lossy(&delivered.record.payload)
        .parse()
        .unwrap()
}

/// Keeps what was applied, by whom; each record waits at the gate.
struct Keeper {
    applied: Mutex<Vec<u32>>,
    gate: watch::Sender<bool>,
}

impl Keeper {
    fn new() -> Arc<Keeper> {
        Arc::new(Keeper {
            applied: Mutex::default(),
            gate: watch::Sender::new(true),
        })
    }

    fn applied(&self) -> Vec<u32> {
        self.applied.lock().clone()
    }
}

#[async_trait]
impl Handler for Keeper {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        self.gate.subscribe().wait_for(|open| *open).await?;
        self.applied.lock().push(number(delivered));
        Ok(())
    }
}

/// A consumer at work.
struct Member {
    keeper: Arc<Keeper>,
    progress: Progress,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Member {
    fn start(bus: &Arc<dyn Bus>, topic: &str) -> Member {
        Member::start_at(bus, topic, Start::Committed)
    }

    fn start_at(bus: &Arc<dyn Bus>, topic: &str, start: Start) -> Member {
        let (keeper, stop) = (Keeper::new(), CancellationToken::new());
        let (worker, progress) = Consumer {
            name: "member".to_owned(),
            bus: Arc::clone(bus),
            group: "group".to_owned(),
            topics: vec![topic.to_owned()],
            start,
            handler: Arc::clone(&keeper) as Arc<dyn Handler>,
            clock: SystemClock::shared(),
            metrics: Metrics::new(),
        }
        .into_worker();
        Member {
            running: tokio::spawn(worker.run(stop.clone())),
            keeper,
            progress,
            stop,
        }
    }

    /// Until everything that is there now is applied, by whomever.
    async fn reached_the_end(&self, bus: &Arc<dyn Bus>, topic: &str) {
        let ends = bus.ends(&[topic]).await.unwrap();
        let reached = timeout(LONG, self.progress.reached(&ends)).await;
        assert_eq!(
            reached,
            Ok(true),
            "{:?} of {ends:?}",
            self.progress.applied()
        );
    }

    /// Until everything that was there at its start is applied, by whomever.
    async fn caught_up(&self) {
        let caught_up = timeout(LONG, self.progress.caught_up()).await;
        assert_eq!(caught_up, Ok(true), "{:?}", self.progress.applied());
    }

    /// Until it has applied a record itself.
    async fn has_applied(&self) {
        let mut watch = self.progress.watch();
        let applied = timeout(
            LONG,
            watch.wait_for(|applied| applied.last_event_at.is_some()),
        );
        applied.await.expect("in time").unwrap();
    }

    async fn stop(self) -> Vec<u32> {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        self.keeper.applied()
    }
}

/// In the order of the first time of each.
fn once(applied: &[u32]) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    let first = applied.iter().filter(|n| seen.insert(**n));
    first.copied().collect()
}

/// Everything by all of them together, and the records of each key in their order at each of them: a partition may have gone
/// from one to another and back.
fn assert_shared(members: &[Vec<u32>], count: u32) {
    let mut all = once(&members.concat());
    all.sort_unstable();
    assert_eq!(all, (0..count).collect::<Vec<_>>());
    for member in members {
        let applied = once(member);
        for key in 0..7 {
            let of_key = applied.iter().filter(|n| *n % 7 == key);
            assert!(of_key.is_sorted(), "{applied:?}");
        }
    }
}

/// Everything, and the records of each key in their order, whatever came twice.
fn assert_whole(applied: &[u32], count: u32) {
    assert_shared(&[applied.to_vec()], count);
}
