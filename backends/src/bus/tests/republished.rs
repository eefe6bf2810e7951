//! Publishing again what was taken before, and taking dead letters out.

use super::*;

fn again(once: u128, first: i64, record: &Record) -> Again {
    Again {
        once: Uuid::from_u128(once),
        first: Some((0, first)),
        record: record.clone(),
    }
}

fn keyed(topic: &str, n: u8) -> Record {
    Record {
        key: Some("k".to_owned()),
        ..record(topic, Some(n), n.into())
    }
}

async fn all(bus: &SqliteBus, topic: &str) -> Vec<Delivered> {
    bus.read(topic, &Positions::default(), 100).await.unwrap()
}

#[tokio::test]
async fn a_record_goes_out_again_as_it_was_and_each_attempt_once() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    for original in [record("a", Some(1), 1), record("a", None, 2)] {
        bus.publish(vec![original.clone()]).await.unwrap();
        let before = bus.ends(&["a"]).await.unwrap().next("a", 0);
        let once = 100 + before as u128;
        for _ in 0..2 {
            let attempt = again(once, before - 1, &original);
            let result = bus.republish(vec![attempt]).await.unwrap();
            assert_eq!(result, [Republished::Appended]);
        }
        let log = all(&bus, "a").await;
        assert_eq!(log.last().unwrap().offset, before, "taken once");
        assert_eq!(
            log.last().unwrap().record,
            original,
            "key, headers, event id"
        );
        // the next attempt, and the event itself
        let attempt = again(once + 50, before, &original);
        bus.republish(vec![attempt]).await.unwrap();
        assert_eq!(bus.ends(&["a"]).await.unwrap().next("a", 0), before + 2);
    }
    bus.publish(vec![record("a", Some(1), 1)]).await.unwrap();
    assert_eq!(
        bus.kept("a").await.unwrap(),
        6,
        "the event id is still taken"
    );
}

#[tokio::test]
async fn old_state_never_goes_behind_newer_state_of_its_key() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let (old, new) = (keyed("b", 1), keyed("b", 2));
    bus.publish(vec![old.clone(), new.clone()]).await.unwrap();
    let results = async |once, first, record| {
        bus.republish(vec![again(once, first, record)])
            .await
            .unwrap()
    };
    // before compaction has seen the newer one, and after
    assert_eq!(results(100, 0, &old).await, [Republished::Superseded]);
    fixture.clock.advance(Duration::hours(2));
    retention::round(&bus.db, fixture.clock.now(), &KEEP)
        .await
        .unwrap();
    assert_eq!(results(101, 0, &old).await, [Republished::Superseded]);
    assert_eq!(results(102, 1, &new).await, [Republished::Appended]);
    assert_eq!(results(102, 1, &new).await, [Republished::Appended]);
    assert_eq!(all(&bus, "b").await.len(), 2);
    // nothing is superseded where nothing is compacted
    let (old, new) = (keyed("a", 1), keyed("a", 2));
    bus.publish(vec![old.clone(), new]).await.unwrap();
    assert_eq!(results(103, 0, &old).await, [Republished::Appended]);
}

#[tokio::test]
async fn a_waiting_reader_is_woken_by_what_goes_out_again() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let mut reader = bus.subscribe("g", &["a"], Start::Committed).await.unwrap();
    let attempt = again(100, 0, &record("a", None, 1));
    let (delivered, sent) = tokio::join!(reader.next(), bus.republish(vec![attempt]));
    sent.unwrap();
    assert_eq!(delivered.unwrap().offset, 0);
}

#[tokio::test]
async fn only_dead_letters_can_be_taken_out_and_they_stay_out() {
    let fixture = Fixture::new();
    let bus = fixture.open().await;
    let letters: Vec<_> = (0..3).map(|n| record("a.dlq", Some(n), n.into())).collect();
    bus.publish(letters.clone()).await.unwrap();
    assert_eq!(bus.remove("a.dlq", &[0, 2, 7]).await.unwrap(), 2);
    assert_eq!(bus.remove("a.dlq", &[0, 2, 7]).await.unwrap(), 0);
    assert_eq!(bus.kept("a.dlq").await.unwrap(), 1);
    bus.publish(letters).await.unwrap();
    assert_eq!(
        bus.kept("a.dlq").await.unwrap(),
        1,
        "their ids are remembered"
    );
    let refused = bus.remove("a", &[0]).await;
    assert!(matches!(refused, Err(BusError::Configuration(_))));
    let unknown = bus.read("nothing", &Positions::default(), 1).await;
    assert!(matches!(unknown, Err(BusError::UnknownTopic(_))));
}
