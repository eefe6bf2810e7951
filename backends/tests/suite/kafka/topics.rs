//! Topics as the broker has them.

use std::{collections::BTreeMap, time::Duration};

use backends::{
    bus::{BusError, Record, Retention, TopicPolicy},
    testing::{KAFKA, TestBus, kafka_bus_of},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
};

use super::{record, records};

const DAYS: TopicPolicy = TopicPolicy {
    name: "days",
    retention: Retention::Days(7),
};
const STATE: TopicPolicy = TopicPolicy {
    name: "state",
    retention: Retention::Compacted,
};

/// Somebody with other tools.
struct Hand {
    admin: AdminClient<DefaultClientContext>,
    prefix: String,
}

impl Hand {
    fn of(test: &TestBus) -> Hand {
        let admin = ClientConfig::new()
            .set("bootstrap.servers", kit::testing::required_env(KAFKA))
            .create()
            .unwrap();
        let prefix = test.url().split_once("prefix=").unwrap().1.to_owned();
        Hand { admin, prefix }
    }

    async fn make(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let name = format!("{}{topic}", self.prefix);
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let new = configs
            .iter()
            .fold(new, |new, (key, value)| new.set(key, value));
        let made = self.admin.create_topics(&[new], &AdminOptions::new()).await;
        made.unwrap().remove(0).unwrap();
    }

    async fn configs(&self, topic: &str) -> BTreeMap<String, String> {
        let name = format!("{}{topic}", self.prefix);
        let topic = ResourceSpecifier::Topic(&name);
        let described = self.admin.describe_configs([&topic], &AdminOptions::new());
        let described = described.await.unwrap().remove(0).unwrap();
        let entries = described.entries.into_iter();
        entries
            .filter_map(|one| Some((one.name, one.value?)))
            .collect()
    }
}

async fn partitions(test: &TestBus, topic: &str) -> usize {
    test.bus.ends(&[topic]).await.unwrap().iter().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_with_their_policy_and_the_partitions_of_the_address() {
    let test = kafka_bus_of(3).await;
    test.ensure(&[DAYS, STATE]).await;
    let hand = Hand::of(&test);
    let (days, state) = (hand.configs("days").await, hand.configs("state").await);
    assert_eq!(
        (
            days["cleanup.policy"].as_str(),
            days["retention.ms"].as_str()
        ),
        ("delete", "604800000")
    );
    assert_eq!(state["cleanup.policy"], "compact");
    assert_eq!(state["min.compaction.lag.ms"], "3600000");
    let letters = hand.configs("state.dlq").await;
    assert_eq!(
        (
            letters["cleanup.policy"].as_str(),
            letters["retention.ms"].as_str()
        ),
        ("delete", "2592000000")
    );
    assert_eq!(
        (
            partitions(&test, "days").await,
            partitions(&test, "days.dlq").await
        ),
        (3, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_otherwise_is_brought_nearer_and_loses_nothing() {
    let test = kafka_bus_of(3).await;
    let hand = Hand::of(&test);
    // as a broker makes them by itself, and as an operator changed them
    hand.make("state", 1, &[("max.message.bytes", "777777")])
        .await;
    hand.make("days", 5, &[("retention.ms", "-1")]).await;
    hand.make(
        "days.dlq",
        1,
        &[("retention.ms", "1000"), ("cleanup.policy", "compact")],
    )
    .await;
    test.ensure(&[DAYS, STATE]).await;
    let state = hand.configs("state").await;
    assert_eq!(
        (
            state["cleanup.policy"].as_str(),
            partitions(&test, "state").await
        ),
        ("compact", 3)
    );
    assert_eq!(
        state["max.message.bytes"], "777777",
        "somebody else's stays"
    );
    // a broker tells of a change a moment after it took it
    let changed = async {
        while hand.configs("days.dlq").await["retention.ms"] == "1000" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let changed = tokio::time::timeout(Duration::from_secs(10), changed).await;
    changed.expect("the time of dead letters is brought nearer");
    let (days, letters) = (hand.configs("days").await, hand.configs("days.dlq").await);
    assert_eq!(
        (
            days["retention.ms"].as_str(),
            partitions(&test, "days").await
        ),
        ("-1", 5)
    );
    assert_eq!(days["message.timestamp.type"], "LogAppendTime");
    assert_eq!(
        (
            letters["cleanup.policy"].as_str(),
            letters["retention.ms"].as_str()
        ),
        ("compact", "2592000000")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_added_but_never_to_a_topic_that_holds_state() {
    let test = kafka_bus_of(2).await;
    let hand = Hand::of(&test);
    hand.make("state", 1, &[("cleanup.policy", "compact")])
        .await;
    hand.make("days", 1, &[]).await;
    for topic in ["state", "days"] {
        test.bus.publish(records(topic, 0..3)).await.unwrap();
    }
    test.ensure(&[DAYS, STATE]).await;
    assert_eq!(
        (
            partitions(&test, "state").await,
            partitions(&test, "days").await
        ),
        (1, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_topic_never_takes_is_no_outage() {
    let test = kafka_bus_of(1).await;
    test.ensure(&[DAYS, STATE]).await;
    let refused = async |record: Record| match test.bus.publish(vec![record]).await.unwrap_err() {
        BusError::Configuration(text) => text,
        other => panic!("{other}"),
    };
    let keyless = Record {
        key: None,
        ..record("state", 1)
    };
    assert!(refused(keyless).await.contains("compacted"));
    let large = |size: usize, topic: &str| Record {
        payload: vec![0; size].into(),
        ..record(topic, 1)
    };
    assert!(
        refused(large(1_500_000, "days"))
            .await
            .contains("1500000 bytes")
    );
    // what fits there fits among the dead letters with what is noted about it
    test.bus
        .publish(vec![large(1_040_000, "days"), large(1_500_000, "days.dlq")])
        .await
        .unwrap();
    assert_eq!(test.bus.kept("days.dlq").await.unwrap(), 1);
}
