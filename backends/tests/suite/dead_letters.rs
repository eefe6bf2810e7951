use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use backends::{
    bus::{Again, Delivered, Record, Start, dead_letters},
    consumer::{Consumer, Failure, Handler, Progress},
    dead_letters::{DeadLetters, Done, Error, Listing, Which, meter},
    testing::{self, TestBus},
};
use chrono::Duration;
use kit::{metrics::Metrics, problem::Problem};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::common::{OTHER, TOPIC, shown};

/// Cannot read `new ..` until it is upgraded, and is stuck at `stuck` until it is set free.
#[derive(Default)]
struct Reader {
    upgraded: AtomicBool,
    free: AtomicBool,
    applied: Mutex<Vec<Record>>,
}

#[async_trait]
impl Handler for Reader {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let payload = &delivered.record.payload;
        if payload.starts_with(b"new") && !self.upgraded.load(Ordering::SeqCst) {
            return Err(Failure::Poison("unknown version".to_owned()));
        }
        if payload.starts_with(b"stuck") && !self.free.load(Ordering::SeqCst) {
            return Err(Failure::Retry(std::io::Error::other("store down").into()));
        }
        self.applied.lock().push(delivered.record.clone());
        Ok(())
    }
}

struct Setting {
    test: TestBus,
    letters: DeadLetters,
    reader: Arc<Reader>,
    progress: Progress,
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Setting {
    async fn new(test: TestBus) -> Setting {
        test.ensure(&[TOPIC, OTHER]).await;
        let reader = Arc::new(Reader::default());
        let (stop, metrics) = (CancellationToken::new(), Metrics::new());
        let consumer = Consumer {
            name: "reader".to_owned(),
            bus: Arc::clone(&test.bus),
            group: "reader".to_owned(),
            topics: vec![TOPIC.name.to_owned(), OTHER.name.to_owned()],
            start: Start::Committed,
            handler: Arc::clone(&reader) as Arc<dyn Handler>,
            clock: test.clock.shared(),
            metrics: metrics.clone(),
        };
        let (worker, progress) = consumer.into_worker();
        Setting {
            letters: DeadLetters::new(Arc::clone(&test.bus), test.clock.shared()),
            running: tokio::spawn(worker.run(stop.clone())),
            test,
            reader,
            progress,
            metrics,
            stop,
        }
    }

    async fn publish(&self, records: &[Record]) {
        self.test.bus.publish(records.to_vec()).await.unwrap();
        self.applied().await;
    }

    async fn applied(&self) {
        let topics = [TOPIC.name, OTHER.name];
        let ends = self.test.bus.ends(&topics).await.unwrap();
        assert!(self.progress.reached(&ends).await);
    }

    async fn list(&self) -> Listing {
        self.letters.list(None, false).await.unwrap()
    }

    async fn replay(&self, which: Which) -> Done {
        let done = self.letters.replay(TOPIC.name, which).await.unwrap();
        self.applied().await;
        done
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn record(topic: &str, text: &str, id: Option<u128>) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some("thing:1".to_owned()),
        payload: text.as_bytes().to_vec().into(),
        headers: BTreeMap::from([("ce_type".to_owned(), "thing.made".to_owned())]),
        event_id: id.map(Uuid::from_u128),
    }
}

fn settled(letters: u64, superseded: u64) -> Done {
    Done {
        letters,
        superseded,
    }
}

backends::on_every_bus! {
    async fn a_letter_tells_why_where_from_and_since_when_and_its_payload_only_on_request(test: TestBus) {
        let setting = Setting::new(test).await;
        let long = format!("new {}", "x".repeat(1000));
        setting
            .publish(&[
                record(TOPIC.name, "fine", None),
                record(TOPIC.name, &long, None),
            ])
            .await;
        setting.test.clock.advance(Duration::hours(3));
        let listing = setting.list().await;
        assert_eq!((listing.total, listing.dead_letters.len()), (1, 1));
        let letter = &listing.dead_letters[0];
        assert_eq!((letter.topic.as_str(), letter.offset), (TOPIC.name, 0));
        assert_eq!(letter.origin.unwrap().offset, 1);
        assert_eq!(letter.key.as_deref(), Some("thing:1"));
        assert_eq!(letter.reason, "unknown version");
        // on Kafka by the broker's clock, which went on meanwhile
        let age = 3 * 3600;
        assert!((age - 60..=age).contains(&letter.age_seconds), "{}", letter.age_seconds);
        assert_eq!(letter.payload, None);
        for name in [TOPIC.name, "things-events.dlq"] {
            let shown = setting.letters.list(Some(name), true).await.unwrap();
            let payload = shown.dead_letters[0].payload.as_deref().unwrap();
            assert_eq!(payload.chars().count(), 201);
        }
        let none = setting.letters.list(Some(OTHER.name), false).await.unwrap();
        assert_eq!(none, Listing::default());
        setting.end().await;
    }

    async fn a_replay_after_the_cause_is_gone_applies_the_record_as_it_was(test: TestBus) {
        let setting = Setting::new(test).await;
        let records = [
            record(TOPIC.name, "new 1", Some(1)),
            record(TOPIC.name, "new 2", None),
        ];
        setting.publish(&records).await;
        setting.reader.upgraded.store(true, Ordering::SeqCst);
        assert_eq!(setting.replay(Which::All).await, settled(2, 0));
        assert_eq!(*setting.reader.applied.lock(), records);
        assert_eq!(setting.list().await, Listing::default());
        for which in [Which::All, Which::One(0)] {
            assert_eq!(setting.replay(which).await, Done::default(), "idempotent");
        }
        assert_eq!(setting.reader.applied.lock().len(), 2);
        setting.end().await;
    }

    async fn a_replay_that_fails_again_makes_one_new_letter_and_the_old_one_is_gone(test: TestBus) {
        let setting = Setting::new(test).await;
        setting.publish(&[record(TOPIC.name, "new", Some(1))]).await;
        let mut before = -1;
        for _ in 0..3 {
            let offset = setting.list().await.dead_letters[0].offset;
            assert!(offset > before, "a new letter");
            before = offset;
            assert_eq!(setting.replay(Which::All).await, settled(1, 0));
            assert_eq!(setting.list().await.total, 1);
        }
        setting.reader.upgraded.store(true, Ordering::SeqCst);
        let last = setting.list().await.dead_letters[0].offset;
        assert_eq!(setting.replay(Which::One(last)).await, settled(1, 0));
        let applied = setting.reader.applied.lock().clone();
        assert_eq!(applied, [record(TOPIC.name, "new", Some(1))]);
        setting.end().await;
    }

    async fn a_crash_between_publishing_and_taking_the_letter_away_publishes_once(test: TestBus) {
        let setting = Setting::new(test).await;
        setting.publish(&[record(TOPIC.name, "new", Some(1))]).await;
        setting.reader.upgraded.store(true, Ordering::SeqCst);
        // what the first half of a replay does
        let attempt = Again {
            once: Uuid::new_v5(&Uuid::NAMESPACE_URL, b"things-events.dlq/0/0"),
            first: Some((0, 0)),
            record: record(TOPIC.name, "new", Some(1)),
        };
        setting.test.bus.republish(vec![attempt]).await.unwrap();
        assert_eq!(setting.list().await.total, 1);
        assert_eq!(setting.replay(Which::All).await, settled(1, 0));
        assert_eq!(setting.list().await.total, 0);
        assert_eq!(setting.reader.applied.lock().len(), 1);
        setting.end().await;
    }

    async fn sixty_four_who_replay_at_once_publish_each_record_once(test: TestBus) {
        let setting = Setting::new(test).await;
        let records: Vec<_> = (0..100)
            .map(|n| record(TOPIC.name, &format!("new {n}"), Some(n + 1)))
            .collect();
        setting.publish(&records).await;
        setting.reader.upgraded.store(true, Ordering::SeqCst);
        let replays = (0..64).map(|_| setting.letters.replay(TOPIC.name, Which::All));
        let done = futures_util::future::join_all(replays).await;
        let letters: u64 = done.into_iter().map(|done| done.unwrap().letters).sum();
        assert_eq!(letters, 100);
        setting.applied().await;
        assert_eq!(*setting.reader.applied.lock(), records);
        setting.end().await;
    }

    async fn one_letter_or_all_are_dropped_and_come_back_neither_by_a_second_drop_nor_by_reading_again(test: TestBus) {
        let setting = Setting::new(test).await;
        let records: Vec<_> = (0..70)
            .map(|n| record(TOPIC.name, &format!("new {n}"), None))
            .collect();
        setting.publish(&records).await;
        let count = async |which| setting.letters.count(TOPIC.name, which).await.unwrap();
        assert_eq!(
            (count(Which::All).await, count(Which::One(3)).await),
            (70, 1)
        );
        let drop = async |which| setting.letters.discard(TOPIC.name, which).await.unwrap();
        assert_eq!(drop(Which::One(3)).await, settled(1, 0));
        assert_eq!(drop(Which::One(3)).await, Done::default());
        assert_eq!(
            (count(Which::All).await, count(Which::One(3)).await),
            (69, 0)
        );
        let left = setting.list().await.dead_letters;
        assert!(left.len() == 69 && left.iter().all(|letter| letter.offset != 3));
        assert_eq!(drop(Which::All).await, settled(69, 0));
        assert_eq!(drop(Which::All).await, Done::default());

        let stop = CancellationToken::new();
        let (worker, progress) = Consumer {
            name: "again".to_owned(),
            bus: Arc::clone(&setting.test.bus),
            group: "again".to_owned(),
            topics: vec![TOPIC.name.to_owned()],
            start: Start::Earliest,
            handler: Arc::new(Reader::default()),
            clock: setting.test.clock.shared(),
            metrics: Metrics::new(),
        }
        .into_worker();
        let running = tokio::spawn(worker.run(stop.clone()));
        assert!(progress.caught_up().await);
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(setting.list().await, Listing::default());
        setting.end().await;
    }

    async fn old_state_of_a_compacted_topic_is_not_put_behind_newer_state(test: TestBus) {
        let setting = Setting::new(test).await;
        let (old, newer) = (
            record(OTHER.name, "new 1", Some(1)),
            record(OTHER.name, "state 2", Some(2)),
        );
        setting.publish(&[old, newer.clone()]).await;
        setting.reader.upgraded.store(true, Ordering::SeqCst);
        let done = setting.letters.replay(OTHER.name, Which::All).await;
        assert_eq!(done.unwrap(), settled(1, 1));
        setting.applied().await;
        assert_eq!(*setting.reader.applied.lock(), [newer]);
        assert_eq!(setting.list().await, Listing::default());
        setting.end().await;
    }

    async fn a_letter_of_unknown_origin_is_listed_and_goes_to_the_topic_it_lies_in(test: TestBus) {
        let setting = Setting::new(test).await;
        let mut foreign = record(&dead_letters(TOPIC.name), "hello", None);
        foreign.headers = BTreeMap::from([("dlq_topic".to_owned(), OTHER.name.to_owned())]);
        setting.publish(&[foreign]).await;
        let letter = setting.list().await.dead_letters.remove(0);
        assert_eq!((letter.topic.as_str(), letter.origin), (TOPIC.name, None));
        assert_eq!(setting.replay(Which::One(0)).await, settled(1, 0));
        assert_eq!(setting.reader.applied.lock()[0].topic, TOPIC.name);
        setting.end().await;
    }

    async fn a_topic_or_letter_there_never_was_is_named(test: TestBus) {
        let setting = Setting::new(test).await;
        let error = setting.letters.list(Some("nothing"), false).await;
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("nothing") && text.contains(TOPIC.name),
            "{text}"
        );
        for offset in [0, -1, i64::MAX] {
            let one = Which::One(offset);
            let error = setting.letters.discard(TOPIC.name, one).await.unwrap_err();
            assert!(matches!(&error, Error::UnknownLetter { offset: o, .. } if *o == offset));
            assert_eq!(Problem::from(error).code(), "unknown_dead_letter");
        }
        setting.end().await;
    }
}

/// By the test's clock, so on the embedded log.
#[tokio::test]
async fn depth_lag_and_age_are_shown_while_something_is_wrong_and_not_on_a_quiet_topic() {
    let setting = Setting::new(testing::sqlite_bus().await).await;
    let (bus, metrics) = (Arc::clone(&setting.test.bus), &setting.metrics);
    setting.publish(&[record(TOPIC.name, "new", None)]).await;
    let counting = tokio::spawn(meter(Arc::clone(&bus), metrics.clone()).run(setting.stop.clone()));
    shown(metrics, "dlq_depth{topic=\"things-events\"} 1\n").await;
    shown(metrics, "dlq_depth{topic=\"others-events\"} 0\n").await;

    // a quiet day is nobody's age
    setting.test.clock.advance(Duration::days(1));
    let lag = "consumer_lag{consumer=\"reader\",topic=\"things-events\"}";
    shown(metrics, &format!("{lag} 0\n")).await;
    shown(
        metrics,
        "consumer_event_age_seconds{consumer=\"reader\"} 0\n",
    )
    .await;

    let stuck = ["stuck", "behind", "it"].map(|text| record(TOPIC.name, text, None));
    bus.publish(stuck.to_vec()).await.unwrap();
    shown(metrics, &format!("{lag} 3\n")).await;
    setting.test.clock.advance(Duration::seconds(90));
    shown(
        metrics,
        "consumer_event_age_seconds{consumer=\"reader\"} 90\n",
    )
    .await;
    setting.reader.free.store(true, Ordering::SeqCst);
    shown(metrics, &format!("{lag} 0\n")).await;
    let applied =
        "consumer_applied_offset{consumer=\"reader\",topic=\"things-events\",partition=\"0\"} 3\n";
    shown(metrics, applied).await;
    setting.end().await;
    counting.await.unwrap().unwrap();
}
