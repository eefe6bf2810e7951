//! Compaction: what is kept, for whom, and for how long ids are remembered.

use super::*;

fn state(key: Option<u8>, value: u32) -> Record {
    Record {
        topic: B.name.to_owned(),
        key: key.map(|key| format!("k:{key}")),
        payload: Bytes::from(value.to_string()),
        headers: BTreeMap::new(),
        event_id: Some(Uuid::from_u128(value.into())),
    }
}

async fn everything(bus: &SqliteBus, topic: &str) -> Vec<Delivered> {
    bus.read(topic, &Positions::default(), usize::MAX >> 1)
        .await
        .unwrap()
}

fn offsets(records: &[Delivered]) -> Vec<i64> {
    records.iter().map(|one| one.offset).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Option<u8>),
    /// Sends the n-th last event again, as a relay does after a crash.
    Repeat(usize),
    Minutes(i64),
    Tidy,
    /// The reader in the middle reads so many.
    Read(usize),
    /// It is stopped, and starts again where it committed.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::option::weighted(0.9, 0..4_u8).prop_map(Step::Publish),
        1 => (0..10_usize).prop_map(Step::Repeat),
        2 => (1..90_i64).prop_map(Step::Minutes),
        2 => Just(Step::Tidy),
        3 => (1..6_usize).prop_map(Step::Read),
        1 => Just(Step::Restart),
    ]
}

/// A read model: the last value of each key, and every value without one.
#[derive(Debug, Default, PartialEq)]
struct Held(BTreeMap<String, Bytes>, Vec<Bytes>);

impl Held {
    fn apply(&mut self, record: &Record) {
        match &record.key {
            Some(key) => drop(self.0.insert(key.clone(), record.payload.clone())),
            None => self.1.push(record.payload.clone()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whoever_reads_a_compacted_topic_ends_with_its_owners_state(steps in prop::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let bus = fixture.open().await;
            let (mut owner, mut middle, mut published) = (Held::default(), Held::default(), Vec::new());
            let mut reader = bus.subscribe("g", &["b"], Start::Committed).await.unwrap();
            let mut position = 0;
            for step in steps {
                match step {
                    Step::Publish(key) => {
                        let record = state(key, published.len() as u32 + 1);
                        owner.apply(&record);
                        published.push(record.clone());
                        bus.publish(vec![record]).await.unwrap();
                    }
                    Step::Repeat(back) => {
                        let again = published.iter().rev().nth(back).cloned();
                        bus.publish(again.into_iter().collect()).await.unwrap();
                    }
                    Step::Minutes(minutes) => fixture.clock.advance(Duration::minutes(minutes)),
                    Step::Tidy => {
                        retention::round(&bus.db, fixture.clock.now(), &KEEP).await.unwrap();
                    }
                    Step::Read(count) => {
                        for _ in 0..count {
                            if position == published.len() as i64 {
                                break;
                            }
                            let one = reader.next().await.unwrap();
                            assert!(one.offset >= position, "offsets rise");
                            position = one.offset + 1;
                            middle.apply(&one.record);
                            reader.commit(&one).await.unwrap();
                        }
                    }
                    Step::Restart => {
                        reader.flush().await.unwrap();
                        reader = bus.subscribe("g", &["b"], Start::Committed).await.unwrap();
                    }
                }
                assert_eq!(bus.ends(&["b"]).await.unwrap().next("b", 0), published.len() as i64);
            }
            while position < published.len() as i64 {
                let one = reader.next().await.unwrap();
                position = one.offset + 1;
                middle.apply(&one.record);
            }
            assert_eq!(middle, owner, "the reader in the middle");
            fixture.clock.advance(Duration::hours(2));
            retention::round(&bus.db, fixture.clock.now(), &KEEP).await.unwrap();
            let mut fresh = Held::default();
            let kept = everything(&bus, "b").await;
            kept.iter().for_each(|one| fresh.apply(&one.record));
            assert_eq!(fresh, owner, "a reader from the beginning");
            assert_eq!(kept.len(), owner.0.len() + owner.1.len(), "one record of each key stays");
        });
    }
}

#[tokio::test]
async fn the_last_hour_is_left_whole_and_offsets_stay() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let twice = |first| vec![state(Some(1), first), state(Some(1), first + 1)];
    bus.publish(twice(1)).await.unwrap();
    fixture.clock.advance(Duration::minutes(61));
    bus.publish(twice(3)).await.unwrap();
    retention::round(&bus.db, fixture.clock.now(), &KEEP)
        .await
        .unwrap();
    assert_eq!(offsets(&everything(&bus, "b").await), [1, 2, 3]);
    let mut committed = Positions::default();
    committed.set("b", 0, 0);
    let mut reader = bus
        .subscribe("g", &["b"], Start::At(committed))
        .await
        .unwrap();
    assert_eq!(reader.next().await.unwrap().offset, 1);
    fixture.clock.advance(Duration::minutes(61));
    let removed = retention::round(&bus.db, fixture.clock.now(), &KEEP)
        .await
        .unwrap();
    assert_eq!(removed.superseded, 2);
    assert_eq!(offsets(&everything(&bus, "b").await), [3]);
}

#[tokio::test]
async fn a_topic_that_becomes_compacted_is_compacted_from_its_beginning() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let mut records: Vec<_> = (1..9).map(|n| state(Some((n % 2) as u8), n)).collect();
    records
        .iter_mut()
        .for_each(|one| one.topic = "a".to_owned());
    bus.publish(records).await.unwrap();
    fixture.clock.advance(Duration::hours(2));
    let at = fixture.clock.now();
    retention::round(&bus.db, at, &KEEP).await.unwrap();
    assert_eq!(bus.kept("a").await.unwrap(), 8);
    let compacted = TopicPolicy {
        retention: Retention::Compacted,
        ..A
    };
    bus.ensure(&[compacted]).await.unwrap();
    retention::round(&bus.db, at, &KEEP).await.unwrap();
    assert_eq!(offsets(&everything(&bus, "a").await), [6, 7]);
}

#[tokio::test]
async fn an_event_sent_again_after_it_was_removed_is_still_taken_once() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let (old, new) = (state(Some(1), 1), state(Some(1), 2));
    bus.publish(vec![old.clone(), new]).await.unwrap();
    // an outage: the clock goes on, nothing is published
    fixture.clock.advance(Duration::days(100));
    for _ in 0..2 {
        retention::round(&bus.db, fixture.clock.now(), &KEEP)
            .await
            .unwrap();
        bus.publish(vec![old.clone()]).await.unwrap();
        assert_eq!(offsets(&everything(&bus, "b").await), [1]);
    }
}

#[tokio::test]
async fn an_id_is_forgotten_when_it_is_both_old_and_far_back() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let keep = Keeping {
        memory_records: 4,
        ..KEEP
    };
    let remembered = || async {
        retention::round(&bus.db, fixture.clock.now(), &keep)
            .await
            .unwrap();
        let sql = "SELECT COUNT(*) FROM taken";
        bus.db.query(sql).scalar::<i64>().await.unwrap()
    };
    bus.publish((1..=6).map(|n| state(Some(1), n)).collect())
        .await
        .unwrap();
    fixture.clock.advance(Duration::days(1));
    assert_eq!(remembered().await, 5, "far back, and young");
    fixture.clock.advance(Duration::days(7));
    assert_eq!(remembered().await, 3, "old, and among the last four");
}

#[tokio::test]
async fn a_publisher_gets_its_turn_in_the_middle_of_a_compaction() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    bus.publish((1..2000).map(|n| state(Some(1), n)).collect())
        .await
        .unwrap();
    fixture.clock.advance(Duration::hours(2));
    let (db, now) = (bus.db.clone(), fixture.clock.now());
    let compaction = tokio::spawn(async move { retention::round(&db, now, &KEEP).await.unwrap() });
    while bus.kept("b").await.unwrap() == 1999 {
        tokio::task::yield_now().await;
    }
    bus.publish(vec![state(Some(1), 2000)]).await.unwrap();
    assert!(
        !compaction.is_finished(),
        "the publisher waited for the end"
    );
    assert_eq!(compaction.await.unwrap().superseded, 1998);
}

#[tokio::test]
async fn a_file_made_by_this_version_gives_back_what_is_free_and_an_older_one_keeps_it() {
    for made_here in [true, false] {
        let fixture = Fixture::new();
        if !made_here {
            let path = fixture.folder.path().join("bus.db");
            let url = format!("sqlite:{}", path.display());
            let older = crate::Db::open(&url, DbOptions::default()).await.unwrap();
            let mut tx = older.begin().await.unwrap();
            let made = tx.query("CREATE TABLE something (x BIGINT)").execute();
            made.await.unwrap();
            tx.commit().await.unwrap();
            older.close().await.unwrap();
        }
        let bus = fixture.open().await;
        let large = |n| Record {
            payload: Bytes::from(vec![0; 16_000]),
            ..record("a", None, n)
        };
        bus.publish((0..600).map(large).collect()).await.unwrap();
        fixture.clock.advance(Duration::days(8));
        let keep = Keeping::default();
        let removed = retention::round(&bus.db, fixture.clock.now(), &keep)
            .await
            .unwrap();
        assert_eq!(removed.old, 600);
        assert_eq!(removed.pages > 1000, made_here, "{removed:?}");
        bus.db.close().await.unwrap();
        let size = std::fs::metadata(fixture.folder.path().join("bus.db"))
            .unwrap()
            .len();
        assert_eq!(size < 6_000_000, made_here, "{size} bytes");
    }
}
