//! Appending: idempotent, acknowledged by all replicas in sync, in the order given.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use parking_lot::Mutex;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{FutureProducer, Producer as _},
};

use super::{
    super::{BusError, Record},
    link::Link,
    wire,
};

/// The library ends every attempt after 5 s; this is the net under it.
const NET: Duration = Duration::from_secs(10);

/// Where a record went: partition and offset.
pub(super) type Place = (i32, i64);

/// One producer, replaced when the library declares it dead.
pub(super) struct Producer {
    link: Link,
    current: Mutex<Arc<FutureProducer<Link>>>,
}

impl Producer {
    pub(super) fn open(link: Link) -> Result<Producer, BusError> {
        let first = Mutex::new(Arc::new(make(&link)?));
        Ok(Producer {
            link,
            current: first,
        })
    }

    /// Appends the records; Ok when the broker has all of them. After an error some of them may be there, and a repetition
    /// appends them again: leaving out the ones that went through would put what failed behind what came after it.
    pub(super) async fn append(&self, records: &[&Record]) -> Result<Vec<Place>, BusError> {
        let producer = Arc::clone(&self.current.lock());
        let prefix = &self.link.settings.prefix;
        let mut sent = Vec::with_capacity(records.len());
        // All are queued before the first is awaited, so that no other publisher comes in between.
        for record in records {
            let topic = format!("{prefix}{}", record.topic);
            match producer.send_result(wire::message(&topic, record)) {
                Ok(sending) => sent.push(sending),
                Err((error, _)) => {
                    self.replace(&producer);
                    return Err(self.failed(record, &error));
                }
            }
        }
        let Ok(results) = tokio::time::timeout(NET, join_all(sent)).await else {
            return Err(self.link.not_yet("the broker does not acknowledge"));
        };
        let mut places = Vec::with_capacity(records.len());
        for (record, result) in records.iter().zip(results) {
            match result {
                Ok(Ok(delivery)) => places.push((delivery.partition, delivery.offset)),
                Ok(Err((error, _))) => {
                    self.replace(&producer);
                    return Err(self.failed(record, &error));
                }
                Err(_) => return Err(self.link.not_yet("the producer was replaced")),
            }
        }
        self.link.well();
        Ok(places)
    }

    fn failed(&self, record: &Record, error: &KafkaError) -> BusError {
        let topic = &record.topic;
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
                BusError::Configuration(format!(
                    "a record of {} bytes is larger than topic `{topic}` takes (max.message.bytes)",
                    record.payload.len()
                ))
            }
            Some(Code::InvalidRecord) if record.key.is_none() => BusError::Configuration(format!(
                "topic `{topic}` is compacted and takes no record without a key"
            )),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                BusError::UnknownTopic(topic.clone())
            }
            _ => self
                .link
                .unavailable(format!("a record for `{topic}`"), error),
        }
    }

    /// A producer that lost its place for good (its broker's data is gone) never sends again; the next one does.
    fn replace(&self, broken: &Arc<FutureProducer<Link>>) {
        if broken.client().fatal_error().is_some() {
            tracing::warn!("the broker has given up the producer, which is replaced");
            self.put_another(broken);
        }
    }

    /// Replaces the producer: it goes by what it knows of topics that were made anew.
    pub(super) fn renew(&self) {
        let current = Arc::clone(&self.current.lock());
        self.put_another(&current);
    }

    fn put_another(&self, old: &Arc<FutureProducer<Link>>) {
        let mut current = self.current.lock();
        if Arc::ptr_eq(&current, old)
            && let Ok(fresh) = make(&self.link)
        {
            let old = std::mem::replace(&mut *current, Arc::new(fresh));
            // its thread is waited for
            std::thread::spawn(move || drop(old));
        }
    }
}

fn make(link: &Link) -> Result<FutureProducer<Link>, BusError> {
    link.settings
        .producer()
        .create_with_context(link.clone())
        .map_err(|error| BusError::Configuration(error.to_string()))
}
