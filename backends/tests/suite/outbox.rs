use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use backends::{
    Db,
    bus::{
        Again, Bus, BusError, Delivered, Positions, Record, Republished, Start, Subscription,
        TopicPolicy,
    },
    db::Kind,
    outbox::{self, Outbox as _},
    testing::{self, TestDb},
};
use kit::{clock::MockClock, metrics::Metrics, service::Worker};
use proptest::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::common::{TOPIC, bus, ids, message, none, shown};

/// Passes everything on and watches how it is used.
struct Watched {
    bus: Arc<dyn Bus>,
    busy: AtomicBool,
    overlaps: AtomicUsize,
    /// How many publishes still fail before they reach the bus.
    refuse: AtomicUsize,
    /// How many publishes still reach the bus and fail to answer.
    forget: AtomicUsize,
    published: watch::Sender<usize>,
}

impl Watched {
    fn new(bus: &Arc<dyn Bus>) -> Arc<Watched> {
        Arc::new(Watched {
            bus: Arc::clone(bus),
            busy: AtomicBool::new(false),
            overlaps: AtomicUsize::new(0),
            refuse: AtomicUsize::new(0),
            forget: AtomicUsize::new(0),
            published: watch::Sender::new(0),
        })
    }

    async fn seen(&self, count: usize) {
        self.published
            .subscribe()
            .wait_for(|published| *published >= count)
            .await
            .unwrap();
    }
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}

fn down() -> BusError {
    BusError::Unavailable(std::io::Error::other("down").into())
}

#[async_trait]
impl Bus for Watched {
    async fn ensure(&self, topics: &[TopicPolicy]) -> Result<(), BusError> {
        self.bus.ensure(topics).await
    }

    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError> {
        if self.busy.swap(true, Ordering::SeqCst) {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        let count = records.len();
        let result = async {
            // gives another relay every chance to come in between
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            if take_one(&self.refuse) {
                return Err(down());
            }
            self.bus.publish(records).await?;
            if take_one(&self.forget) {
                Err(down())
            } else {
                Ok(())
            }
        }
        .await;
        self.busy.store(false, Ordering::SeqCst);
        if result.is_ok() {
            self.published.send_modify(|published| *published += count);
        }
        result
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        start: Start,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.bus.subscribe(group, topics, start).await
    }

    async fn ends(&self, topics: &[&str]) -> Result<Positions, BusError> {
        self.bus.ends(topics).await
    }

    async fn republish(&self, records: Vec<Again>) -> Result<Vec<Republished>, BusError> {
        self.bus.republish(records).await
    }

    async fn topics(&self) -> Result<Vec<String>, BusError> {
        self.bus.topics().await
    }

    async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError> {
        self.bus.read(topic, from, limit).await
    }

    async fn kept(&self, topic: &str) -> Result<i64, BusError> {
        self.bus.kept(topic).await
    }

    async fn remove(&self, topic: &str, offsets: &[i64]) -> Result<u64, BusError> {
        self.bus.remove(topic, offsets).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.bus.check().await
    }

    fn workers(&self) -> Vec<Worker> {
        self.bus.workers()
    }
}

fn relay(
    db: &Db,
    bus: &Arc<Watched>,
    seed: u64,
    stop: &CancellationToken,
    metrics: &Metrics,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    let worker = outbox::relay(
        db.clone(),
        Arc::clone(bus) as Arc<dyn Bus>,
        MockClock::default().shared(),
        ids(seed),
        metrics.clone(),
    );
    tokio::spawn(worker.run(stop.clone()))
}

async fn put(db: &Db, messages: &[outbox::Message]) {
    let mut tx = db.begin().await.unwrap();
    for message in messages {
        outbox::put(&mut tx, message).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Everything in the topic.
async fn log(bus: &Arc<dyn Bus>) -> Vec<Delivered> {
    let end = bus.ends(&[TOPIC.name]).await.unwrap().next(TOPIC.name, 0);
    let mut reader = bus
        .subscribe("test", &[TOPIC.name], Start::Earliest)
        .await
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..end {
        all.push(reader.next().await.unwrap());
    }
    all
}

fn payloads(log: &[Delivered]) -> Vec<usize> {
    log.iter()
        .map(|delivered| {
            String::from_utf8(delivered.record.payload.to_vec())
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect()
}

backends::on_every_database! {
    async fn a_committed_event_is_delivered_and_leaves_the_outbox(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        let (stop, ids) = (CancellationToken::new(), ids(1));
        let running = relay(&db, &watched, 2, &stop, &Metrics::new());
        let sent = message(&*ids, "thing:1", 1);
        put(&db, std::slice::from_ref(&sent)).await;
        watched.seen(1).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(outbox::depth(&db).await.unwrap(), 0);
        let log = log(&bus.bus).await;
        assert_eq!(log.len(), 1);
        let record = &log[0].record;
        assert_eq!((record.key.as_deref(), record.event_id), (Some("thing:1"), Some(sent.event_id)));
        let expected = BTreeMap::from([
            ("ce_id".to_owned(), sent.event_id.to_string()), ("ce_type".to_owned(), "thing.changed".to_owned()),
            ("ce_time".to_owned(), "2026-03-02T08:00:00Z".to_owned()), ("content-type".to_owned(), "application/json".to_owned()),
        ]);
        assert_eq!(record.headers, expected);
    }

    async fn an_event_of_a_rolled_back_change_is_never_delivered(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        outbox::put(&mut tx, &message(&*ids(1), "thing:1", 1)).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(outbox::depth(&db).await.unwrap(), 0);
    }

    async fn two_relays_never_send_at_the_same_time_and_keep_the_order_of_every_key(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        let stop = CancellationToken::new();
        let other = db.again().await;
        let running = [relay(&db, &watched, 2, &stop, &Metrics::new()), relay(&other, &watched, 3, &stop, &Metrics::new())];
        let writers: Vec<_> = (0..8_u64).map(|writer| {
            let db = (*db).clone();
            tokio::spawn(async move {
                let ids = ids(10 + writer);
                for n in 0..40 {
                    put(&db, &[message(&*ids, &format!("thing:{writer}"), n)]).await;
                }
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        watched.seen(8 * 40).await;
        stop.cancel();
        for relay in running {
            relay.await.unwrap().unwrap();
        }
        assert_eq!(watched.overlaps.load(Ordering::SeqCst), 0);
        assert_eq!(outbox::depth(&db).await.unwrap(), 0);
        let log = log(&bus.bus).await;
        for writer in 0..8 {
            let key = format!("thing:{writer}");
            let of_key: Vec<_> = log.iter().filter(|one| one.record.key.as_ref() == Some(&key)).cloned().collect();
            assert_eq!(payloads(&of_key), (0..40).collect::<Vec<_>>(), "{key}");
        }
    }

    async fn what_is_known_of_events_without_a_read_is_what_a_read_finds(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let ids = ids(1);
        let two = [message(&*ids, "thing:1", 1), message(&*ids, "thing:2", 2)];
        put(&db, &two).await;
        let mut undone = db.begin().await.unwrap();
        outbox::put(&mut undone, &message(&*ids, "thing:1", 3)).await.unwrap();
        undone.rollback().await.unwrap();
        put(&db, &[message(&*ids, "thing:1", 4)]).await;
        put(&db.again().await, &[message(&*ids, "thing:1", 5)]).await;
        let read = db.oldest(10).await.unwrap();
        assert!(read.all && !db.oldest(4).await.unwrap().all && read.events.len() == 4);
        match db.kind() {
            Kind::Postgres => assert_eq!(db.written(), read.events[..3]),
            Kind::Sqlite => assert_eq!(db.written(), []),
        }
        assert_eq!(db.written(), [], "it was told once");
        for pair in read.events.windows(2) {
            assert!(db.follows(&pair[0].0, &pair[1].0) && !db.follows(&pair[1].0, &pair[0].0));
        }
    }

    async fn what_another_process_wrote_before_is_not_overtaken(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        let (stop, ids) = (CancellationToken::new(), ids(1));
        let running = relay(&db, &watched, 2, &stop, &Metrics::new());
        let other = db.again().await;
        for n in 0..20 {
            // the relay has sent everything, and hears of the second one only
            put(&other, &[message(&*ids, "thing:1", 2 * n)]).await;
            put(&db, &[message(&*ids, "thing:1", 2 * n + 1)]).await;
            watched.seen(2 * (n + 1)).await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(payloads(&log(&bus.bus).await), (0..40).collect::<Vec<_>>());
    }

    async fn a_bus_that_fails_loses_nothing(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        watched.refuse.store(2, Ordering::SeqCst);
        let (stop, ids, metrics) = (CancellationToken::new(), ids(1), Metrics::new());
        let messages: Vec<_> = (0..300).map(|n| message(&*ids, "thing:1", n)).collect();
        put(&db, &messages).await;
        let running = relay(&db, &watched, 2, &stop, &metrics);
        watched.seen(300).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(payloads(&log(&bus.bus).await), (0..300).collect::<Vec<_>>());
        assert_eq!(outbox::depth(&db).await.unwrap(), 0);
        let failures = format!("outbox_failures_total{{store=\"{}\"}} 2", db.name());
        assert!(metrics.render().contains(&failures), "{}", metrics.render());
    }

    async fn what_waits_is_counted_by_store_while_the_bus_is_down_and_none_afterwards(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        watched.refuse.store(usize::MAX, Ordering::SeqCst);
        let (stop, ids, metrics) = (CancellationToken::new(), ids(1), Metrics::new());
        let messages: Vec<_> = (0..300).map(|n| message(&*ids, "thing:1", n)).collect();
        put(&db, &messages).await;
        let running = relay(&db, &watched, 2, &stop, &metrics);
        let depth = |n| format!("outbox_depth{{store=\"{}\"}} {n}\n", db.name());
        shown(&metrics, &depth(300)).await;
        watched.refuse.store(0, Ordering::SeqCst);
        shown(&metrics, &depth(0)).await;
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    async fn an_answer_that_got_lost_delivers_once(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        watched.forget.store(1, Ordering::SeqCst);
        let (stop, ids) = (CancellationToken::new(), ids(1));
        let messages: Vec<_> = (0..5).map(|n| message(&*ids, "thing:1", n)).collect();
        put(&db, &messages).await;
        let running = relay(&db, &watched, 2, &stop, &Metrics::new());
        watched.seen(5).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(payloads(&log(&bus.bus).await), [0, 1, 2, 3, 4]);
    }

    async fn a_relay_told_to_stop_delivers_what_is_there(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        let (stop, ids) = (CancellationToken::new(), ids(1));
        // a batch and some, no more: the relay takes two seconds for its farewell and not longer
        let messages: Vec<_> = (0..260).map(|n| message(&*ids, "thing:1", n)).collect();
        put(&db, &messages).await;
        stop.cancel();
        relay(&db, &watched, 2, &stop, &Metrics::new()).await.unwrap().unwrap();
        assert_eq!(outbox::depth(&db).await.unwrap(), 0);
        assert_eq!(payloads(&log(&bus.bus).await), (0..260).collect::<Vec<_>>());
        let leases: i64 = db.query("SELECT COUNT(*) FROM leases").scalar().await.unwrap();
        assert_eq!(leases, 0, "the next process need not wait");
    }

    async fn what_another_process_commits_is_delivered_without_a_wake_up(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let bus = bus().await;
        let watched = Watched::new(&bus.bus);
        let (stop, other) = (CancellationToken::new(), db.again().await);
        let running = relay(&db, &watched, 2, &stop, &Metrics::new());
        put(&other, &[message(&*ids(1), "thing:1", 1)]).await;
        watched.seen(1).await;
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The log is the concatenation of the transactions in the order of their commits, whatever their sizes and
    /// whichever of them were rolled back.
    #[test]
    fn the_log_has_the_order_of_the_commits(transactions in prop::collection::vec((any::<bool>(), prop::collection::vec(0..4_u8, 0..20)), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db = testing::sqlite().await;
            db.migrate(&none()).await.unwrap();
            let bus = bus().await;
            let watched = Watched::new(&bus.bus);
            let ids = ids(1);
            let (mut expected, mut n) = (Vec::new(), 0);
            for (committed, keys) in transactions {
                let mut tx = db.begin().await.unwrap();
                for key in keys {
                    n += 1;
                    outbox::put(&mut tx, &message(&*ids, &format!("thing:{key}"), n)).await.unwrap();
                    if committed {
                        expected.push(n);
                    }
                }
                if committed { tx.commit().await.unwrap() } else { drop(tx) }
            }
            let stop = CancellationToken::new();
            stop.cancel();
            relay(&db, &watched, 2, &stop, &Metrics::new()).await.unwrap().unwrap();
            assert_eq!(payloads(&log(&bus.bus).await), expected);
        });
    }
}
