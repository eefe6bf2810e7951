//! Making and changing topics.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewPartitions, NewTopic,
        ResourceSpecifier, TopicReplication,
    },
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{
    super::BusError,
    broker::{Broker, End},
    link::Link,
    policy::Wanted,
};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A client for a few requests.
pub(super) struct Admin<'a> {
    broker: &'a Broker,
    client: Option<AdminClient<Link>>,
}

impl Admin<'_> {
    pub(super) fn open(broker: &Broker) -> Result<Admin<'_>, BusError> {
        let client = broker
            .link
            .settings
            .client()
            .create_with_context(broker.link.clone())
            .map_err(|error| BusError::Configuration(error.to_string()))?;
        Ok(Admin {
            broker,
            client: Some(client),
        })
    }

    fn client(&self) -> &AdminClient<Link> {
        self.client.as_ref().expect("taken when dropped")
    }

    /// Makes topics that are not there; whoever else made one meanwhile is welcome.
    pub(super) async fn create(&self, topics: &[Wanted]) -> Result<(), BusError> {
        let names: Vec<String> = topics
            .iter()
            .map(|one| self.broker.name(&one.topic))
            .collect();
        let replication = self.broker.link.settings.replication;
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .zip(&names)
            .map(|(one, name)| {
                let new = NewTopic::new(name, one.partitions, TopicReplication::Fixed(replication));
                one.configs
                    .iter()
                    .fold(new, |new, (name, value)| new.set(name, value))
            })
            .collect();
        let made = self.client().create_topics(&new, &options()).await;
        let made = made.map_err(|error| self.broker.link.unavailable("making topics", &error))?;
        for result in made {
            match result {
                Ok(topic) => tracing::info!(%topic, "a topic was made"),
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let error = KafkaError::AdminOp(code);
                    return Err(self
                        .broker
                        .link
                        .unavailable(format!("making topic `{topic}`"), &error));
                }
            }
        }
        Ok(())
    }

    /// Brings topics that are there nearer to what they should be. What cannot be done is told: they can be used as they are.
    pub(super) async fn adjust(&self, topics: &[(Wanted, i32)]) {
        for (wanted, partitions) in topics {
            if let Err(error) = self.adjust_configs(wanted).await {
                tracing::debug!(%error, topic = %wanted.topic, "the settings of a topic stay as they are");
            }
            if *partitions < wanted.partitions
                && let Err(error) = self.add_partitions(wanted, *partitions).await
            {
                tracing::warn!(
                    %error, topic = %wanted.topic, partitions, wanted = wanted.partitions,
                    "a topic keeps fewer partitions than the bus's address asks for"
                );
            }
        }
    }

    async fn adjust_configs(&self, wanted: &Wanted) -> Result<(), BusError> {
        let link = &self.broker.link;
        let name = self.broker.name(&wanted.topic);
        let what = || format!("the settings of topic `{name}`");
        let (mut found, mut own) = (BTreeMap::new(), BTreeMap::new());
        for entry in self.describe(&wanted.topic).await? {
            let Some(value) = entry.value else { continue };
            if entry.source == ConfigSource::DynamicTopic {
                own.insert(entry.name.clone(), value.clone());
            }
            found.insert(entry.name, value);
        }
        let change = wanted.change(&found);
        for text in &change.left {
            tracing::warn!("{text}");
        }
        if change.configs.is_empty() {
            return Ok(());
        }
        // The request sets everything: what is not in it goes back to the broker's default.
        own.extend(
            change
                .configs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let alter = own.iter().fold(
            AlterConfig::new(ResourceSpecifier::Topic(&name)),
            |alter, (name, value)| alter.set(name, value),
        );
        let altered = self.client().alter_configs([&alter], &options()).await;
        let altered = altered.map_err(|error| link.unavailable(what(), &error))?;
        match altered.into_iter().next() {
            Some(Err((_, code))) => Err(link.unavailable(what(), &KafkaError::AdminOp(code))),
            _ => {
                tracing::info!(topic = %name, changed = ?change.configs, "the settings of a topic were changed");
                Ok(())
            }
        }
    }

    /// More partitions move keys. Where order counts for a while only, that is what was asked for; a compacted topic would
    /// keep the old state of a key for ever in one partition and the new one in another.
    async fn add_partitions(&self, wanted: &Wanted, partitions: i32) -> Result<(), BusError> {
        let link = &self.broker.link;
        if wanted.is_compacted() && !self.is_empty(&wanted.topic).await? {
            return Err(link.not_yet(format!(
                "topic `{}` holds state, and its keys would move",
                wanted.topic
            )));
        }
        let name = self.broker.name(&wanted.topic);
        let count = usize::try_from(wanted.partitions).unwrap_or_default();
        let more = NewPartitions::new(&name, count);
        let added = self.client().create_partitions([&more], &options()).await;
        let what = || format!("more partitions of topic `{name}`");
        let added = added.map_err(|error| link.unavailable(what(), &error))?;
        match added.into_iter().next() {
            Some(Err((_, code))) => Err(link.unavailable(what(), &KafkaError::AdminOp(code))),
            _ => {
                tracing::info!(topic = %name, from = partitions, to = wanted.partitions, "a topic has more partitions");
                Ok(())
            }
        }
    }

    async fn is_empty(&self, topic: &str) -> Result<bool, BusError> {
        let first = self.broker.ends(&[topic], End::First).await?;
        Ok(first.covers(&self.broker.ends(&[topic], End::Last).await?))
    }

    /// Whether the topic keeps the newest record of each key.
    pub(super) async fn is_compacted(&self, topic: &str) -> Result<bool, BusError> {
        let found = self.describe(topic).await?;
        Ok(found.into_iter().any(|entry| {
            entry.name == "cleanup.policy"
                && entry.value.is_some_and(|value| value.contains("compact"))
        }))
    }

    async fn describe(&self, topic: &str) -> Result<Vec<ConfigEntry>, BusError> {
        let link = &self.broker.link;
        let name = self.broker.name(topic);
        let what = format!("the settings of topic `{name}`");
        let resource = ResourceSpecifier::Topic(&name);
        match self
            .client()
            .describe_configs([&resource], &options())
            .await
        {
            Ok(described) => match described.into_iter().next() {
                Some(Ok(described)) => Ok(described.entries),
                Some(Err(code)) => Err(link.unavailable(what, &KafkaError::AdminOp(code))),
                None => Err(link.not_yet(format!("{what}: no answer"))),
            },
            Err(error) => Err(link.unavailable(what, &error)),
        }
    }

    /// Removes topics, for tests.
    pub(super) async fn delete(&self, topics: &[String]) -> Result<(), BusError> {
        let names: Vec<String> = topics.iter().map(|topic| self.broker.name(topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let deleted = self.client().delete_topics(&names, &options()).await;
        let deleted =
            deleted.map_err(|error| self.broker.link.unavailable("removing topics", &error))?;
        match deleted.into_iter().find_map(Result::err) {
            Some((topic, code)) => Err(self
                .broker
                .link
                .unavailable(format!("removing `{topic}`"), &KafkaError::AdminOp(code))),
            None => Ok(()),
        }
    }
}

impl Drop for Admin<'_> {
    fn drop(&mut self) {
        // its thread is waited for
        let client = self.client.take();
        std::thread::spawn(move || drop(client));
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}
