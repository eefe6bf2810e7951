use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use backends::{
    bus::{Bus, Delivered, Record, Start, dead_letters},
    consumer::{Consumer, Failure, Handler, Progress},
    testing::TestBus,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kit::{
    clock::{Clock, MockClock},
    metrics::Metrics,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::common::{OTHER, TOPIC};

/// Keeps what was applied; `poison` never parses, `busy` fails as often as told.
#[derive(Default)]
struct Keeper {
    applied: Mutex<Vec<String>>,
    failures_left: AtomicUsize,
    caught_up: AtomicUsize,
}

#[async_trait]
impl Handler for Keeper {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let text = String::from_utf8(delivered.record.payload.to_vec())?;
        if text == "poison" {
            return Err(Failure::Poison("not a thing".to_owned()));
        }
        if text == "busy"
            && self
                .failures_left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
        {
            return Err(Failure::Retry(std::io::Error::other("store down").into()));
        }
        self.applied.lock().push(text);
        Ok(())
    }

    async fn caught_up(&self) {
        self.caught_up.fetch_add(1, Ordering::SeqCst);
    }
}

struct Running {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    progress: Progress,
    metrics: Metrics,
}

fn start(bus: &Arc<dyn Bus>, keeper: &Arc<Keeper>, topics: &[&str], start: Start) -> Running {
    let (stop, metrics) = (CancellationToken::new(), Metrics::new());
    let consumer = Consumer {
        name: "keeper".to_owned(),
        bus: Arc::clone(bus),
        group: "keeper".to_owned(),
        topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
        start,
        handler: Arc::clone(keeper) as Arc<dyn Handler>,
        clock: MockClock::default().shared(),
        metrics: metrics.clone(),
    };
    let (worker, progress) = consumer.into_worker();
    Running {
        task: tokio::spawn(worker.run(stop.clone())),
        stop,
        progress,
        metrics,
    }
}

impl Running {
    /// Waits until everything published is applied.
    async fn at_the_end(&self, bus: &Arc<dyn Bus>, topics: &[&str]) {
        let ends = bus.ends(topics).await.unwrap();
        assert!(self.progress.reached(&ends).await);
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn record(topic: &str, text: &str) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some("k".to_owned()),
        payload: Bytes::from(text.to_owned()),
        headers: BTreeMap::from([("ce_type".to_owned(), "t".to_owned())]),
        event_id: None,
    }
}

async fn publish(bus: &Arc<dyn Bus>, topic: &str, texts: &[&str]) {
    bus.publish(texts.iter().map(|text| record(topic, text)).collect())
        .await
        .unwrap();
}

backends::on_every_bus! {
    async fn what_does_not_parse_goes_to_the_dead_letters_with_its_reason_and_the_next_is_applied(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        publish(&test.bus, TOPIC.name, &["a", "poison", "b"]).await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        running.at_the_end(&test.bus, &[TOPIC.name]).await;
        assert_eq!(*keeper.applied.lock(), ["a", "b"]);
        assert!(
            running
                .metrics
                .render()
                .contains(r#"dlq_total{consumer="keeper",topic="things-events"} 1"#)
        );
        running.stop().await;
        let topic = dead_letters(TOPIC.name);
        let mut letters = test
            .bus
            .subscribe("test", &[&topic], Start::Earliest)
            .await
            .unwrap();
        let letter = letters.next().await.unwrap().record;
        assert_eq!(
            (letter.payload.as_ref(), letter.key.as_deref()),
            (&b"poison"[..], Some("k"))
        );
        let header = |name: &str| letter.headers.get(name).map(String::as_str);
        assert_eq!(header("dlq_reason"), Some("not a thing"));
        assert_eq!(header("dlq_topic"), Some(TOPIC.name));
        assert_eq!(
            (header("dlq_partition"), header("dlq_offset")),
            (Some("0"), Some("1"))
        );
        let first_seen: DateTime<Utc> = header("dlq_first_seen").unwrap().parse().unwrap();
        let (published, seen) = (test.clock.now(), first_seen - test.clock.now());
        assert!(seen.num_seconds().abs() < 60, "{first_seen}, published {published}");
        assert_eq!(header("ce_type"), Some("t"), "the original headers stay");
        assert_eq!(test.bus.ends(&[&topic]).await.unwrap().next(&topic, 0), 1);
    }

    async fn a_poisoned_record_read_again_makes_no_second_letter(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        publish(&test.bus, TOPIC.name, &["poison"]).await;
        for _ in 0..2 {
            let running = start(
                &test.bus,
                &Arc::new(Keeper::default()),
                &[TOPIC.name],
                Start::Earliest,
            );
            running.at_the_end(&test.bus, &[TOPIC.name]).await;
            running.stop().await;
        }
        let topic = dead_letters(TOPIC.name);
        assert_eq!(test.bus.ends(&[&topic]).await.unwrap().next(&topic, 0), 1);
    }

    async fn a_store_that_fails_is_retried_in_place_and_nothing_overtakes(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        keeper.failures_left.store(2, Ordering::SeqCst);
        publish(&test.bus, TOPIC.name, &["a", "busy", "b"]).await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        let mut watch = running.progress.watch();
        let failing = watch
            .wait_for(|applied| applied.failing.is_some())
            .await
            .unwrap()
            .clone();
        assert!(failing.failing.unwrap().contains("store down"));
        assert_eq!(failing.positions.next(TOPIC.name, 0), 1);
        running.at_the_end(&test.bus, &[TOPIC.name]).await;
        assert_eq!(*keeper.applied.lock(), ["a", "busy", "b"]);
        assert_eq!(running.progress.applied().failing, None);
        running.stop().await;
        assert_eq!(
            test.bus
                .ends(&[&dead_letters(TOPIC.name)])
                .await
                .unwrap()
                .next(&dead_letters(TOPIC.name), 0),
            0
        );
    }

    async fn a_consumer_started_again_goes_on_where_it_stopped(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        publish(&test.bus, TOPIC.name, &["a", "b"]).await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        running.at_the_end(&test.bus, &[TOPIC.name]).await;
        running.stop().await;
        publish(&test.bus, TOPIC.name, &["c"]).await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        running.at_the_end(&test.bus, &[TOPIC.name]).await;
        assert_eq!(*keeper.applied.lock(), ["a", "b", "c"]);
        let mut from = backends::bus::Positions::default();
        from.set(TOPIC.name, 0, 1);
        running.stop().await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::At(from));
        running.at_the_end(&test.bus, &[TOPIC.name]).await;
        assert_eq!(*keeper.applied.lock(), ["a", "b", "c", "b", "c"]);
        running.stop().await;
    }

    async fn catching_up_is_told_once_when_everything_present_at_the_start_is_applied(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        publish(&test.bus, TOPIC.name, &["a", "b"]).await;
        let running = start(
            &test.bus,
            &keeper,
            &[TOPIC.name, OTHER.name],
            Start::Committed,
        );
        assert!(running.progress.caught_up().await);
        assert_eq!(*keeper.applied.lock(), ["a", "b"]);
        publish(&test.bus, OTHER.name, &["c"]).await;
        running
            .at_the_end(&test.bus, &[TOPIC.name, OTHER.name])
            .await;
        assert_eq!(keeper.caught_up.load(Ordering::SeqCst), 1);
        running.stop().await;
    }

    async fn a_consumer_of_empty_topics_is_caught_up_at_once(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        assert!(running.progress.caught_up().await);
        running.stop().await;
    }

    async fn a_consumer_in_the_middle_of_a_long_wait_stops_at_once(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        keeper.failures_left.store(usize::MAX, Ordering::SeqCst);
        publish(&test.bus, TOPIC.name, &["busy"]).await;
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        running
            .progress
            .watch()
            .wait_for(|applied| applied.failing.is_some())
            .await
            .unwrap();
        let progress = running.progress.clone();
        running.stop().await;
        let ends = test.bus.ends(&[TOPIC.name]).await.unwrap();
        assert!(
            !progress.reached(&ends).await,
            "the worker has ended before"
        );
    }

    async fn an_unknown_topic_ends_the_worker_with_its_name(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let running = start(
            &test.bus,
            &Arc::new(Keeper::default()),
            &["nothing"],
            Start::Committed,
        );
        assert!(
            running
                .task
                .await
                .unwrap()
                .unwrap_err()
                .to_string()
                .contains("nothing")
        );
    }

    async fn what_another_process_publishes_is_applied_without_a_wake_up(test: TestBus) {
        test.ensure(&[TOPIC, OTHER]).await;
        let keeper = Arc::new(Keeper::default());
        let running = start(&test.bus, &keeper, &[TOPIC.name], Start::Committed);
        assert!(running.progress.caught_up().await);
        let other = test.again().await;
        publish(&other, TOPIC.name, &["a"]).await;
        running.at_the_end(&other, &[TOPIC.name]).await;
        assert_eq!(*keeper.applied.lock(), ["a"]);
        running.stop().await;
    }
}
