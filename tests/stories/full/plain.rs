//! A producer and a consumer of Kafka that know nothing of this school but the names of its topics.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::stack::FullStack;

/// How long the broker may take to say something.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user of the broker.
pub struct Plain {
    config: ClientConfig,
}

impl Plain {
    /// Somebody who is known there.
    pub fn user(stack: &FullStack, name: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", stack.run.address("kafka"))
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", name)
            .set("sasl.password", stack.run.secret(&format!("kafka.{name}")));
        Self { config }
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.config.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap()
    }

    /// A value as it is: no key, no headers, no id.
    pub async fn produce(&self, topic: &str, value: &str) {
        let producer: FutureProducer = self.config.create().unwrap();
        let record: FutureRecord<'_, (), str> = FutureRecord::to(topic).payload(value);
        producer.send(record, PATIENCE).await.expect("it is taken");
    }

    /// Every message of a topic, partition by partition.
    pub fn all(&self, topic: &str) -> Vec<OwnedMessage> {
        let consumer = self.consumer("a-plain-consumer");
        let mut places = TopicPartitionList::new();
        let partitions = partitions(&consumer, topic);
        for &partition in &partitions {
            places
                .add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&places).unwrap();
        let (mut ended, mut messages) = (0, Vec::new());
        while ended < partitions.len() {
            match consumer.poll(PATIENCE).expect("the broker answers") {
                Ok(message) => messages.push(message.detach()),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{error}"),
            }
        }
        messages
    }

    /// Puts a group that has no members back to the beginning of these topics.
    pub fn reset(&self, group: &str, topics: &[&str]) {
        let consumer = self.consumer(group);
        let mut places = TopicPartitionList::new();
        for topic in topics {
            for partition in partitions(&consumer, topic) {
                places
                    .add_partition_offset(topic, partition, Offset::Offset(0))
                    .unwrap();
            }
        }
        consumer.commit(&places, CommitMode::Sync).unwrap();
    }

    /// How many members a group has, and how many of them read something.
    pub fn members(&self, group: &str) -> (usize, usize) {
        let consumer = self.consumer("a-plain-consumer");
        let list = consumer.fetch_group_list(Some(group), PATIENCE).unwrap();
        let members: Vec<_> = list
            .groups()
            .iter()
            .flat_map(rdkafka::groups::GroupInfo::members)
            .collect();
        // Version (2 bytes), then the number of topics (4 bytes).
        let reads = |bytes: &[u8]| bytes.get(2..6).is_some_and(|count| count != [0; 4]);
        let reading = members
            .iter()
            .filter(|member| member.assignment().is_some_and(reads))
            .count();
        (members.len(), reading)
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let topic = &metadata.topics()[0];
    let ids: Vec<i32> = topic
        .partitions()
        .iter()
        .map(MetadataPartition::id)
        .collect();
    assert!(!ids.is_empty(), "{} is not there", topic.name());
    ids
}

/// A header's text.
pub fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let found = message
        .headers()?
        .iter()
        .find(|header| header.key == name)?;
    Some(String::from_utf8_lossy(found.value?).into_owned())
}

/// A message's value as JSON.
pub fn value(message: &OwnedMessage) -> serde_json::Value {
    serde_json::from_slice(message.payload().expect("a value")).expect("JSON")
}
