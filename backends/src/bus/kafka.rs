//! The event log on Kafka: `kafka://user:password@host:port,host2:port2?partitions=6&replication=3&prefix=x-`.
//!
//! What it cannot do: know a record that it took before. What is published again after an error is there twice, in order, and
//! whoever applies is idempotent. Only dead letters are taken once.

mod admin;
mod broker;
mod handover;
mod letters;
mod link;
mod owner;
mod policy;
mod producer;
mod pump;
mod read;
mod republish;
mod settings;
mod subscription;
mod topics;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use kit::service::Worker;

use self::{
    broker::{Broker, End},
    letters::Letters,
    link::Link,
    producer::Producer,
    republish::Taken,
    settings::Settings,
    topics::Topics,
};
use super::{
    Again, Bus, BusError, Delivered, Positions, Record, Republished, Start, Subscription,
    TopicPolicy, not_letters, of_dead_letters,
};

/// Somebody else's log.
pub(super) struct KafkaBus {
    broker: Broker,
    producer: Producer,
    topics: Arc<Topics>,
    letters: Letters,
    taken: Taken,
}

impl KafkaBus {
    /// Takes the address apart. Nobody is connected to yet: a broker that is away stops no start.
    pub(super) fn open(address: &str) -> Result<KafkaBus, BusError> {
        let link = Link::new(Settings::parse(address)?);
        let broker = Broker::open(link.clone())?;
        Ok(KafkaBus {
            producer: Producer::open(link)?,
            topics: Topics::new(broker.clone()),
            letters: Letters::new(broker.clone()),
            taken: Taken::default(),
            broker,
        })
    }

    /// Appends what is not a dead letter in one go, then the dead letters of each topic.
    async fn append(&self, records: &[&Record]) -> Result<(), BusError> {
        let mut letters: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            self.topics.known(&record.topic).await?;
            match of_dead_letters(&record.topic) {
                Some(_) => letters.entry(&record.topic).or_default().push(record),
                None => events.push(*record),
            }
        }
        let appending = async {
            if !events.is_empty() {
                self.producer.append(&events).await?;
            }
            for (topic, letters) in letters {
                self.letters.add(&self.producer, topic, &letters).await?;
            }
            Ok(())
        };
        let Err(error) = appending.await else {
            return Ok(());
        };
        // known a moment ago, and perhaps gone since
        for topic in records
            .iter()
            .map(|record| record.topic.as_str())
            .collect::<BTreeSet<_>>()
        {
            if self.topics.is_lost(topic).await {
                return Err(self.topics.missing(topic));
            }
        }
        match error {
            BusError::UnknownTopic(topic) => {
                self.producer.renew();
                let text = format!("topic `{topic}` was made anew");
                Err(self.broker.link.not_yet(text))
            }
            error => Err(error),
        }
    }

    /// As a question about topics fails: those to come are not unknown.
    fn known<T>(&self, result: Result<T, BusError>) -> Result<T, BusError> {
        match result {
            Err(BusError::UnknownTopic(topic)) => Err(self.topics.missing(&topic)),
            other => other,
        }
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn ensure(&self, topics: &[TopicPolicy]) -> Result<(), BusError> {
        self.topics.ensure(topics).await;
        Ok(())
    }

    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError> {
        let records: Vec<&Record> = records.iter().collect();
        self.append(&records).await
    }

    async fn republish(&self, records: Vec<Again>) -> Result<Vec<Republished>, BusError> {
        self.again(&records).await
    }

    async fn topics(&self) -> Result<Vec<String>, BusError> {
        self.broker.topics().await
    }

    async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError> {
        let read = match of_dead_letters(topic) {
            Some(_) => self.letters.read(topic, from, limit).await,
            None => read::read(&self.broker, topic, from, limit).await,
        };
        self.known(read)
    }

    async fn kept(&self, topic: &str) -> Result<i64, BusError> {
        let kept = match of_dead_letters(topic) {
            Some(_) => self.letters.kept(topic).await,
            None => self.stretch(topic).await,
        };
        match kept {
            Err(BusError::UnknownTopic(_)) => Ok(0),
            kept => kept,
        }
    }

    async fn remove(&self, topic: &str, offsets: &[i64]) -> Result<u64, BusError> {
        if of_dead_letters(topic).is_none() {
            return Err(not_letters(topic));
        }
        let removed = self.letters.remove(&self.producer, topic, offsets).await;
        self.known(removed)
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        start: Start,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let reader = subscription::subscribe(&self.broker, group, topics, start).await;
        Ok(Box::new(self.known(reader)?))
    }

    async fn ends(&self, topics: &[&str]) -> Result<Positions, BusError> {
        self.known(self.broker.ends(topics, End::Last).await)
    }

    async fn check(&self) -> Result<(), BusError> {
        self.broker.check(self.topics.any()).await?;
        self.topics.check()
    }

    fn workers(&self) -> Vec<Worker> {
        // the broker deletes and compacts by itself
        Vec::new()
    }
}

impl KafkaBus {
    /// How many places a topic keeps; a compacted one has holes among them.
    async fn stretch(&self, topic: &str) -> Result<i64, BusError> {
        let first = self.broker.ends(&[topic], End::First).await?;
        Ok(first.behind(&self.broker.ends(&[topic], End::Last).await?))
    }
}

/// Removes the topics whose names begin with the prefix of this address, for tests that made them.
pub(crate) fn remove_all(url: &str) -> anyhow::Result<()> {
    let address = url.strip_prefix("kafka:").unwrap_or(url);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let broker = Broker::open(Link::new(Settings::parse(address)?))?;
        anyhow::ensure!(!broker.link.settings.prefix.is_empty(), "everything");
        let topics = broker.topics().await?;
        Ok(admin::Admin::open(&broker)?.delete(&topics).await?)
    })
}
