//! The log against a naive model, and what it promises by name.

mod compacted;
mod republished;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::Duration;
use kit::clock::{Clock, MockClock};
use proptest::prelude::*;
use uuid::Uuid;

use super::{retention::Keeping, sqlite::SqliteBus, *};

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};
const B: TopicPolicy = TopicPolicy {
    name: "b",
    retention: Retention::Compacted,
};

/// Small steps, so that a few records take several.
const KEEP: Keeping = Keeping {
    batch: 3,
    tail: Duration::hours(1),
    memory: Duration::days(7),
    memory_records: 10_000,
};

struct Fixture {
    folder: tempfile::TempDir,
    clock: MockClock,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture {
            folder: tempfile::tempdir().unwrap(),
            clock: MockClock::default(),
        }
    }

    async fn open(&self) -> SqliteBus {
        let path = self.folder.path().join("bus.db");
        let options = DbOptions::default();
        let bus = SqliteBus::open(&path, self.clock.shared(), options)
            .await
            .unwrap();
        bus.ensure(&[A, B]).await.unwrap();
        bus
    }
}

fn record(topic: &str, event: Option<u8>, n: u32) -> Record {
    Record {
        topic: topic.to_owned(),
        key: (!n.is_multiple_of(3)).then(|| format!("k:{}", n % 3)),
        payload: Bytes::from(n.to_string()),
        headers: BTreeMap::from([("n".to_owned(), n.to_string())]),
        event_id: event.map(|event| Uuid::from_u128(event.into())),
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Per record: topic b instead of a, event id.
    Publish(Vec<(bool, Option<u8>)>),
    /// Read so many by a fresh subscription of the group, commit the last, and go.
    Read {
        group: bool,
        count: usize,
        earliest: bool,
    },
    Days(i64),
    Minutes(i64),
    Tidy,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop::collection::vec((any::<bool>(), prop::option::of(0..6_u8)), 0..8).prop_map(Op::Publish),
        4 => (any::<bool>(), 0..10_usize, prop::bool::weighted(0.2)).prop_map(|(group, count, earliest)| Op::Read { group, count, earliest }),
        1 => (1..5_i64).prop_map(Op::Days),
        2 => (1..50_i64).prop_map(Op::Minutes),
        2 => Just(Op::Tidy),
        1 => Just(Op::Reopen),
    ]
}

/// What the log should be: plain vectors.
#[derive(Default)]
struct Model {
    kept: BTreeMap<&'static str, Vec<Delivered>>,
    next: BTreeMap<&'static str, i64>,
    committed: BTreeMap<(bool, &'static str), i64>,
    taken: BTreeSet<(&'static str, Uuid)>,
}

impl Model {
    fn publish(&mut self, topic: &'static str, record: Record, at: DateTime<Utc>) {
        if record
            .event_id
            .is_some_and(|id| !self.taken.insert((topic, id)))
        {
            return;
        }
        let kept = self.kept.entry(topic).or_default();
        let next = self.next.entry(topic).or_default();
        kept.push(Delivered {
            record,
            partition: 0,
            offset: *next,
            at,
        });
        *next += 1;
    }

    /// What time and newer states of a key leave.
    fn tidy(&mut self, now: DateTime<Utc>) {
        let (week, tail) = (now - Duration::days(7), now - KEEP.tail);
        let old = self.kept.entry("a").or_default();
        old.retain(|one| one.at >= week);
        let all = self.kept.entry("b").or_default();
        let due = all.iter().take_while(|one| one.at < tail).count();
        let mut newest = BTreeMap::new();
        for one in &all[..due] {
            newest.insert(one.record.key.clone(), one.offset);
        }
        let end = all.get(due).map_or(i64::MAX, |one| one.offset);
        all.retain(|one| {
            let Delivered { record, offset, .. } = one;
            record.key.is_none() || *offset >= end || newest[&record.key] == *offset
        });
    }

    fn ahead(&self, group: bool, topic: &'static str, earliest: bool) -> Vec<Delivered> {
        let from = if earliest {
            0
        } else {
            self.committed.get(&(group, topic)).copied().unwrap_or(0)
        };
        self.kept
            .get(topic)
            .into_iter()
            .flatten()
            .filter(|one| one.offset >= from)
            .cloned()
            .collect()
    }
}

async fn read(bus: &SqliteBus, model: &mut Model, group: bool, count: usize, earliest: bool) {
    let start = if earliest {
        Start::Earliest
    } else {
        Start::Committed
    };
    let mut reader = bus
        .subscribe(if group { "g" } else { "h" }, &["a", "b"], start)
        .await
        .unwrap();
    let mut expected = [
        model.ahead(group, "a", earliest),
        model.ahead(group, "b", earliest),
    ];
    let there = expected.iter().map(Vec::len).sum::<usize>();
    for _ in 0..count.min(there) {
        let delivered = reader.next().await.unwrap();
        let (topic, of_topic) = if delivered.record.topic == "a" {
            ("a", &mut expected[0])
        } else {
            ("b", &mut expected[1])
        };
        assert_eq!(delivered, of_topic.remove(0));
        reader.commit(&delivered).await.unwrap();
        model.committed.insert((group, topic), delivered.offset + 1);
    }
    reader.flush().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_log_does_what_plain_vectors_do(ops in prop::collection::vec(op(), 0..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let (mut bus, mut model, mut n) = (fixture.open().await, Model::default(), 0);
            for op in ops {
                match op {
                    Op::Publish(batch) => {
                        let mut records = Vec::new();
                        for (other, event) in batch {
                            n += 1;
                            let topic = if other { "b" } else { "a" };
                            records.push(record(topic, event, n));
                            model.publish(topic, record(topic, event, n), fixture.clock.now());
                        }
                        bus.publish(records).await.unwrap();
                    }
                    Op::Read { group, count, earliest } => read(&bus, &mut model, group, count, earliest).await,
                    Op::Days(days) => fixture.clock.advance(Duration::days(days)),
                    Op::Minutes(minutes) => fixture.clock.advance(Duration::minutes(minutes)),
                    Op::Tidy => {
                        retention::round(&bus.db, fixture.clock.now(), &KEEP).await.unwrap();
                        model.tidy(fixture.clock.now());
                    }
                    Op::Reopen => {
                        bus.db.close().await.unwrap();
                        bus = fixture.open().await;
                    }
                }
                let ends = bus.ends(&["a", "b"]).await.unwrap();
                for topic in ["a", "b"] {
                    assert_eq!(ends.next(topic, 0), model.next.get(topic).copied().unwrap_or(0));
                }
            }
            for group in [true, false] {
                read(&bus, &mut model, group, usize::MAX, false).await;
            }
        });
    }
}

#[tokio::test]
async fn a_batch_with_an_unknown_topic_is_refused_as_a_whole() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let refused = bus
        .publish(vec![record("a", None, 1), record("c", None, 2)])
        .await;
    assert!(matches!(refused, Err(BusError::UnknownTopic(topic)) if topic == "c"));
    assert_eq!(bus.ends(&["a"]).await.unwrap().next("a", 0), 0);
}

#[tokio::test]
async fn a_batch_is_on_disk_after_one_sync() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let before = bus.db.counters().syncs;
    bus.publish((0..256).map(|n| record("a", None, n)).collect())
        .await
        .unwrap();
    assert_eq!(bus.db.counters().syncs, before + 1);
}

#[tokio::test]
async fn a_waiting_reader_is_woken_by_a_publish() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let mut reader = bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
    let (delivered, published) =
        tokio::join!(reader.next(), bus.publish(vec![record("a", None, 1)]));
    published.unwrap();
    assert_eq!(delivered.unwrap().offset, 0);
}

#[tokio::test]
async fn a_dropped_wait_loses_no_record() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    bus.publish((0..20).map(|n| record("a", None, n)).collect())
        .await
        .unwrap();
    let mut reader = bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
    let mut offsets = Vec::new();
    while offsets.len() < 20 {
        tokio::select! {
            biased;
            delivered = reader.next() => offsets.push(delivered.unwrap().offset),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(offsets, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn positions_reach_the_end_of_a_topic_whose_records_are_all_gone() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    bus.publish(vec![record("a", None, 1), record("a", None, 2)])
        .await
        .unwrap();
    fixture.clock.advance(Duration::days(8));
    assert_eq!(
        retention::round(&bus.db, fixture.clock.now(), &KEEP)
            .await
            .unwrap()
            .old,
        2
    );
    let reader = bus.subscribe("g", &["a"], Start::Earliest).await.unwrap();
    assert!(reader.start().covers(&bus.ends(&["a"]).await.unwrap()));
}

#[tokio::test]
async fn every_topic_brings_its_dead_letters() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    bus.publish(vec![record("a.dlq", None, 1), record("b.dlq", None, 2)])
        .await
        .unwrap();
    bus.check().await.unwrap();
}

async fn refused(url: &str) -> String {
    let opened = open(url, MockClock::default().shared()).await;
    opened.err().unwrap().to_string()
}

#[tokio::test]
async fn an_unknown_scheme_lists_the_known_ones() {
    let error = refused("amqp://h").await;
    for known in ["`amqp:`", "sqlite:", "kafka:"] {
        assert!(error.contains(known), "{error}");
    }
}

#[cfg(not(feature = "kafka"))]
#[tokio::test]
async fn a_program_without_kafka_says_how_it_is_built_with_it() {
    let error = refused("kafka://h").await;
    assert!(error.contains("--features kafka"), "{error}");
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_kafka_address_is_looked_at_although_nobody_is_there() {
    let error = refused("kafka://h:port").await;
    assert!(error.contains("`h:port`"), "{error}");
    let bus = open("kafka://127.0.0.1:1", MockClock::default().shared()).await;
    let error = bus.unwrap().check().await.unwrap_err().to_string();
    assert!(
        error.contains("bus.url") && error.contains("127.0.0.1:1"),
        "{error}"
    );
}
