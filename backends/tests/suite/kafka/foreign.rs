//! Producers and consumers that are not ours.

use std::{collections::BTreeMap, time::Duration};

use backends::{
    bus::{Positions, Record, Retention, Start, TopicPolicy},
    testing::{KAFKA, TestBus, kafka_bus},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
    producer::{FutureProducer, FutureRecord, Producer},
};
use uuid::Uuid;

use super::{Member, record};

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};
const TEXT: &str =
    r#"{"event_type":"thing.made","timestamp":"2026-03-02T08:00:00.123456","data":{}}"#;

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kit::testing::required_env(KAFKA));
    config
}

async fn bus() -> (TestBus, String) {
    let test = kafka_bus().await;
    test.ensure(&[A]).await;
    let name = format!("{}a", test.url().split_once("prefix=").unwrap().1);
    (test, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_key_headers_and_id_is_delivered_as_it_is() {
    let (test, name) = bus().await;
    let producer: FutureProducer = client().create().unwrap();
    let bare: FutureRecord<'_, str, str> = FutureRecord::to(&name).payload(TEXT);
    producer.send(bare, Duration::from_secs(5)).await.unwrap();
    let mut reader = test
        .bus
        .subscribe("g", &["a"], Start::Committed)
        .await
        .unwrap();
    let delivered = reader.next().await.unwrap();
    let expected = Record {
        topic: "a".to_owned(),
        key: None,
        payload: TEXT.into(),
        headers: BTreeMap::new(),
        event_id: None,
    };
    assert_eq!(delivered.record, expected);
    reader.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_consumer_finds_the_value_the_key_and_the_headers() {
    let (test, name) = bus().await;
    let id = Uuid::from_u128(7);
    let sent = Record {
        key: Some("thing:7".to_owned()),
        payload: TEXT.into(),
        headers: BTreeMap::from([("ce_id".to_owned(), id.to_string())]),
        event_id: Some(id),
        ..record("a", 0)
    };
    test.bus.publish(vec![sent]).await.unwrap();
    let found = tokio::task::spawn_blocking(move || {
        let plain: BaseConsumer = client().set("group.id", &name).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&name, 0, Offset::Beginning)
            .unwrap();
        plain.assign(&list).unwrap();
        plain
            .poll(Duration::from_secs(20))
            .unwrap()
            .unwrap()
            .detach()
    });
    let found = found.await.unwrap();
    assert_eq!(found.payload(), Some(TEXT.as_bytes()));
    assert_eq!(found.key(), Some(&b"thing:7"[..]));
    let headers = found.headers().unwrap();
    assert_eq!((headers.count(), headers.get(0).key), (1, "ce_id"));
    assert_eq!(headers.get(0).value, Some(id.to_string().as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_took_back_is_never_delivered_and_its_marks_hold_nobody_up() {
    let (test, name) = bus().await;
    let producer: FutureProducer = client().set("transactional.id", &name).create().unwrap();
    let send = async |text: &str, commit: bool| {
        producer.begin_transaction().unwrap();
        let record: FutureRecord<'_, str, str> = FutureRecord::to(&name).payload(text).key("k");
        producer.send(record, Duration::from_secs(5)).await.unwrap();
        let producer = producer.clone();
        tokio::task::spawn_blocking(move || match commit {
            true => producer.commit_transaction(Duration::from_secs(10)),
            false => producer.abort_transaction(Duration::from_secs(10)),
        })
        .await
        .unwrap()
        .unwrap();
    };
    let opening = producer.clone();
    tokio::task::spawn_blocking(move || opening.init_transactions(Duration::from_secs(20)))
        .await
        .unwrap()
        .unwrap();
    send("0", true).await;
    send("1", false).await;
    // record, mark, record, mark; the last one is written after the producer has its answer
    while test.bus.ends(&["a"]).await.unwrap().next("a", 0) < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let member = Member::start(&test.bus, "a");
    // although no record lies at the end
    member.caught_up().await;
    assert_eq!(member.stop().await, [0]);
    let read = test.bus.read("a", &Positions::default(), 9).await.unwrap();
    assert_eq!(read.len(), 1);
    // nothing but marks is left
    let member = Member::start(&test.bus, "a");
    member.caught_up().await;
    assert!(member.stop().await.is_empty());
}
