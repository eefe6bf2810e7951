//! The way through the broker by a bare client: a record is produced and consumed, and nothing is done with it.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::stack::Stack;
use crate::latency::{EVERY, Latencies};

const TOPIC: &str = "posts-events";

/// One record every 20 ms; how long after it was given to the producer it came to the consumer.
pub async fn through(stack: &Stack, records: usize) -> anyhow::Result<Latencies> {
    let config = config(stack)?;
    let consumer: StreamConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(TOPIC), Duration::from_secs(10))?;
    let mut places = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        places.add_partition_offset(TOPIC, partition.id(), Offset::End)?;
    }
    consumer.assign(&places)?;
    let producer = producer(config)?;
    let mut values = Vec::with_capacity(records);
    let mut ticks = tokio::time::interval(EVERY);
    for n in 0..records {
        ticks.tick().await;
        let began = Instant::now();
        let value = value(n);
        let mark = value.clone();
        let record: FutureRecord<'_, str, String> =
            FutureRecord::to(TOPIC).payload(&value).key("bench");
        let produced = async {
            producer
                .send(record, Duration::from_secs(5))
                .await
                .map_err(|(error, _)| anyhow::Error::from(error))
        };
        let consumed = async {
            loop {
                let message = tokio::time::timeout(Duration::from_secs(10), consumer.recv())
                    .await
                    .context("nothing came")??;
                if message.payload() == Some(mark.as_bytes()) {
                    return anyhow::Ok(began.elapsed());
                }
            }
        };
        let (produced, consumed) = tokio::join!(produced, consumed);
        produced?;
        values.push(consumed?.as_secs_f64() * 1000.0);
    }
    Ok(Latencies::of(values))
}

/// Records one behind the other, as fast as the broker acknowledges them.
pub async fn produce(stack: &Stack, records: usize) -> anyhow::Result<()> {
    let producer = producer(config(stack)?)?;
    for n in 0..records {
        let (key, value) = (n.to_string(), value(n));
        let record = FutureRecord::to(TOPIC).payload(&value).key(&key);
        let sent = producer.send(record, Duration::from_secs(5)).await;
        sent.map_err(|(error, _)| error)?;
    }
    Ok(())
}

fn config(stack: &Stack) -> anyhow::Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config
        .set(
            "bootstrap.servers",
            format!("127.0.0.1:{}", stack.port("kafka")?),
        )
        .set("security.protocol", "SASL_PLAINTEXT")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", "operator")
        .set("sasl.password", stack.secret("kafka.operator")?)
        .set("group.id", "bench");
    Ok(config)
}

fn producer(mut config: ClientConfig) -> anyhow::Result<FutureProducer> {
    Ok(config.set("linger.ms", "0").set("acks", "all").create()?)
}

/// What the feed passes over: it is no post of anybody.
fn value(n: usize) -> String {
    format!(
        "{{\"event_type\":\"bench.record\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{{\"n\":{n}}}}}"
    )
}
