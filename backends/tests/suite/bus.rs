//! What every event log promises.

use std::{collections::BTreeMap, sync::Arc};

use backends::{
    bus::{
        Again, Bus, BusError, Delivered, Positions, Record, Republished, Retention, Start,
        Subscription, TopicPolicy, dead_letters,
    },
    testing::TestBus,
};
use bytes::Bytes;
use kit::clock::Clock;
use uuid::Uuid;

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};
const B: TopicPolicy = TopicPolicy {
    name: "b",
    retention: Retention::Compacted,
};

fn record(topic: &str, n: u32) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some(format!("k:{}", n % 3)),
        payload: Bytes::from(n.to_string()),
        headers: BTreeMap::from([("n".to_owned(), n.to_string())]),
        event_id: Some(Uuid::from_u128(u128::from(n) + 1)),
    }
}

fn records(topic: &str, numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers.map(|n| record(topic, n)).collect()
}

fn numbers(read: &[Delivered]) -> Vec<u32> {
    let text = |one: &Delivered| String::from_utf8(one.record.payload.to_vec()).unwrap();
    read.iter().map(|one| text(one).parse().unwrap()).collect()
}

fn at(topic: &str, next: i64) -> Positions {
    let mut positions = Positions::default();
    positions.set(topic, 0, next);
    positions
}

async fn next(reader: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivered> {
    let mut read = Vec::new();
    for _ in 0..count {
        read.push(reader.next().await.unwrap());
    }
    read
}

/// Reads so many as one subscription of the group, notes the last and goes.
async fn turn(bus: &Arc<dyn Bus>, group: &str, start: Start, count: usize) -> Vec<u32> {
    let mut reader = bus.subscribe(group, &["a"], start).await.unwrap();
    let read = next(&mut reader, count).await;
    if let Some(last) = read.last() {
        reader.commit(last).await.unwrap();
    }
    reader.close().await.unwrap();
    numbers(&read)
}

backends::on_every_bus! {
    async fn what_is_published_comes_back_as_it_was_in_the_order_of_its_partition(test: TestBus) {
        test.ensure(&[A, B]).await;
        let mut sent = records("a", 0..5);
        // as a foreign producer sends: no key, no headers, no id
        sent.push(Record { key: None, headers: BTreeMap::new(), event_id: None, ..record("a", 5) });
        let started = test.clock.now();
        test.bus.publish(sent.clone()).await.unwrap();
        test.bus.publish(records("b", 7..9)).await.unwrap();
        let mut reader = test.bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
        let read = next(&mut reader, 6).await;
        for (n, (one, sent)) in read.iter().zip(&sent).enumerate() {
            assert_eq!((one.partition, one.offset), (0, n as i64));
            assert_eq!(&one.record, sent);
            // the log's time, to the millisecond
            assert!((one.at - started).num_milliseconds() >= 0, "{} {started}", one.at);
        }
        reader.close().await.unwrap();
        assert_eq!(test.bus.read("a", &Positions::default(), 9).await.unwrap(), read);
        assert_eq!(numbers(&test.bus.read("b", &Positions::default(), 9).await.unwrap()), [7, 8]);
    }

    async fn a_topic_that_was_never_made_is_named_and_nothing_is_published(test: TestBus) {
        test.ensure(&[A]).await;
        let unknown = |error: BusError| matches!(error, BusError::UnknownTopic(topic) if topic == "c");
        let mixed = test.bus.publish(vec![record("a", 1), record("c", 2)]).await;
        assert!(unknown(mixed.unwrap_err()));
        assert_eq!(test.bus.ends(&["a"]).await.unwrap(), at("a", 0));
        assert!(unknown(test.bus.ends(&["a", "c"]).await.unwrap_err()));
        assert!(unknown(test.bus.read("c", &Positions::default(), 1).await.unwrap_err()));
        assert!(unknown(test.bus.subscribe("g", &["c"], Start::Committed).await.err().unwrap()));
        assert_eq!(test.bus.kept("c").await.unwrap(), 0);
    }

    async fn making_topics_again_changes_nothing_and_each_brings_its_dead_letters(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..3)).await.unwrap();
        let again = (0..4).map(|_| test.bus.ensure(&[A, B]));
        for made in futures_util::future::join_all(again).await {
            made.unwrap();
        }
        assert_eq!(test.bus.topics().await.unwrap(), ["a", "a.dlq", "b", "b.dlq"]);
        assert_eq!(test.bus.kept("a").await.unwrap(), 3);
        let letters = vec![record("a.dlq", 1), record("b.dlq", 2)];
        test.bus.publish(letters).await.unwrap();
        test.bus.check().await.unwrap();
    }

    async fn a_waiting_reader_is_woken_by_a_publish(test: TestBus) {
        test.ensure(&[A]).await;
        let mut reader = test.bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
        let (delivered, published) = tokio::join!(reader.next(), test.bus.publish(records("a", 1..2)));
        published.unwrap();
        assert_eq!(delivered.unwrap().record, record("a", 1));
    }

    async fn a_dropped_wait_loses_no_record(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..20)).await.unwrap();
        let mut reader = test.bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
        let mut read = Vec::new();
        while read.len() < 20 {
            tokio::select! {
                biased;
                delivered = reader.next() => read.push(delivered.unwrap()),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(numbers(&read), (0..20).collect::<Vec<_>>());
    }

    async fn a_group_goes_on_where_it_was_and_a_new_one_begins_at_the_beginning(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..6)).await.unwrap();
        assert_eq!(turn(&test.bus, "g", Start::Committed, 2).await, [0, 1]);
        assert_eq!(turn(&test.bus, "h", Start::Committed, 1).await, [0]);
        // another process
        let again = test.again().await;
        assert_eq!(turn(&again, "g", Start::Committed, 2).await, [2, 3]);
        assert_eq!(turn(&test.bus, "g", Start::Earliest, 1).await, [0]);
        // what was committed last counts, also where it is less
        assert_eq!(turn(&test.bus, "g", Start::At(at("b", 9)), 1).await, [1]);
        assert_eq!(turn(&test.bus, "g", Start::At(at("a", 4)), 2).await, [4, 5]);
        let reader = test.bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
        assert_eq!(reader.start(), at("a", 6));
    }

    async fn what_was_not_noted_comes_again(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..4)).await.unwrap();
        let mut reader = test.bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
        let read = next(&mut reader, 4).await;
        reader.commit(&read[1]).await.unwrap();
        reader.flush().await.unwrap();
        drop(reader);
        assert_eq!(turn(&test.bus, "g", Start::Committed, 2).await, [2, 3]);
    }

    async fn who_reads_alone_gets_every_record_whatever_others_read_and_notes_nothing(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..4)).await.unwrap();
        let alone = || test.bus.subscribe("g", &["a"], Start::Alone(at("a", 2)));
        let (mut one, mut two) = (alone().await.unwrap(), alone().await.unwrap());
        assert_eq!(one.start(), at("a", 2));
        for reader in [&mut one, &mut two] {
            let read = next(reader, 2).await;
            assert_eq!(numbers(&read), [2, 3]);
            reader.commit(&read[1]).await.unwrap();
            reader.flush().await.unwrap();
        }
        assert_eq!(turn(&test.bus, "g", Start::Committed, 1).await, [0]);
        let nowhere = Start::Alone(Positions::default());
        assert_eq!(turn(&test.bus, "g", nowhere, 1).await, [0]);
    }

    async fn positions_before_the_log_or_beyond_it_begin_where_there_is_something(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..2)).await.unwrap();
        let mut reader = test.bus.subscribe("g", &["a"], Start::At(at("a", -5))).await.unwrap();
        assert_eq!(reader.start(), at("a", 0));
        assert_eq!(numbers(&next(&mut reader, 1).await), [0]);
        reader.close().await.unwrap();
        // of a log that was lost: what is in this one is new
        let mut reader = test.bus.subscribe("g", &["a"], Start::At(at("a", 99))).await.unwrap();
        assert_eq!(reader.start(), at("a", 0));
        assert_eq!(numbers(&next(&mut reader, 2).await), [0, 1]);
        reader.close().await.unwrap();
    }

    async fn sixty_four_publishers_at_once_keep_the_order_of_every_key(test: TestBus) {
        test.ensure(&[A]).await;
        let publishers = (0..64_u32).map(|publisher| {
            let bus = Arc::clone(&test.bus);
            tokio::spawn(async move {
                for n in 0..5 {
                    let batch = (0..2).map(|half| Record {
                        key: Some(format!("k:{publisher}")),
                        ..record("a", publisher * 100 + n * 2 + half)
                    });
                    bus.publish(batch.collect()).await.unwrap();
                }
            })
        });
        for publisher in publishers.collect::<Vec<_>>() {
            publisher.await.unwrap();
        }
        let read = test.bus.read("a", &Positions::default(), 1000).await.unwrap();
        assert_eq!(read.len(), 640);
        for publisher in 0..64 {
            let key = Some(format!("k:{publisher}"));
            let of_key: Vec<_> = read.iter().filter(|one| one.record.key == key).cloned().collect();
            let expected: Vec<_> = (0..10).map(|n| publisher * 100 + n).collect();
            assert_eq!(numbers(&of_key), expected);
        }
    }

    async fn reading_without_a_group_ends_at_the_end_and_goes_on_from_any_place(test: TestBus) {
        test.ensure(&[A]).await;
        let read = async |from: &Positions, limit| test.bus.read("a", from, limit).await.unwrap();
        assert_eq!(read(&Positions::default(), 10).await, []);
        test.bus.publish(records("a", 0..25)).await.unwrap();
        let (mut from, mut all) = (Positions::default(), Vec::new());
        loop {
            let page = read(&from, 10).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 10);
            page.iter().for_each(|one| from.pass(one));
            all.extend(page);
        }
        assert_eq!(numbers(&all), (0..25).collect::<Vec<_>>());
        assert_eq!(from, test.bus.ends(&["a"]).await.unwrap());
        assert_eq!(read(&at("a", 99), 10).await, []);
    }

    async fn dead_letters_are_taken_out_singly_and_stay_out(test: TestBus) {
        test.ensure(&[A]).await;
        let letters = dead_letters("a");
        test.bus.publish(records(&letters, 0..3)).await.unwrap();
        let left = async |bus: &Arc<dyn Bus>| {
            let read = bus.read(&letters, &Positions::default(), 9).await.unwrap();
            assert_eq!(bus.kept(&letters).await.unwrap(), read.len() as i64);
            numbers(&read)
        };
        assert_eq!(left(&test.bus).await, [0, 1, 2]);
        assert_eq!(test.bus.remove(&letters, &[0, 2, 7]).await.unwrap(), 2);
        assert_eq!(test.bus.remove(&letters, &[0, 2, 7]).await.unwrap(), 0);
        assert_eq!(left(&test.bus).await, [1]);
        let again = test.again().await;
        assert_eq!(left(&again).await, [1], "another process");
        // one letter of one record, also when it was taken out
        again.publish(records(&letters, 0..4)).await.unwrap();
        assert_eq!(left(&again).await, [1, 3]);
        assert_eq!(left(&test.bus).await, [1, 3]);
        let page = test.bus.read(&letters, &at(&letters, 2), 1).await.unwrap();
        assert_eq!(numbers(&page), [3]);
        let refused = test.bus.remove("a", &[0]).await.unwrap_err();
        assert!(matches!(refused, BusError::Configuration(_)));
    }

    async fn a_record_goes_out_again_as_it_was_and_each_attempt_once(test: TestBus) {
        test.ensure(&[A]).await;
        test.bus.publish(records("a", 0..2)).await.unwrap();
        let attempt = |once| Again { once: Uuid::from_u128(once), first: Some((0, 0)), record: record("a", 0) };
        for attempts in [vec![attempt(100)], vec![attempt(100), attempt(101)]] {
            let results = test.bus.republish(attempts.clone()).await.unwrap();
            assert_eq!(results, vec![Republished::Appended; attempts.len()]);
        }
        let log = test.bus.read("a", &Positions::default(), 9).await.unwrap();
        assert_eq!(numbers(&log), [0, 1, 0, 0]);
        assert_eq!(log[3].record, record("a", 0), "key, headers, event id");
    }

    async fn old_state_never_goes_behind_newer_state_of_its_key(test: TestBus) {
        test.ensure(&[A, B]).await;
        // k:0 twice, k:1 and k:2 once
        test.bus.publish(records("b", 0..4)).await.unwrap();
        let attempt = |once, first, n| Again { once: Uuid::from_u128(once), first, record: record("b", n) };
        let results = test.bus.republish(vec![
            attempt(100, Some((0, 0)), 0),
            attempt(101, Some((0, 3)), 3),
            attempt(102, Some((0, 1)), 1),
            attempt(103, None, 2),
        ]);
        let [superseded, appended] = [Republished::Superseded, Republished::Appended];
        assert_eq!(results.await.unwrap(), [superseded, appended, appended, superseded]);
        let log = test.bus.read("b", &Positions::default(), 9).await.unwrap();
        assert_eq!(numbers(&log), [0, 1, 2, 3, 3, 1]);
        // nothing is superseded where nothing is compacted
        test.bus.publish(records("a", 0..4)).await.unwrap();
        let old = Again { once: Uuid::from_u128(104), first: Some((0, 0)), record: record("a", 0) };
        assert_eq!(test.bus.republish(vec![old]).await.unwrap(), [appended]);
    }
}
